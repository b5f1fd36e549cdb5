import type { Io } from "./io.ts";

/** An option of a command. */
export interface Option {
  readonly type: "string" | "boolean";
  /** May be given several times. */
  readonly multiple?: boolean;
  /** What stands for the value in the help, `EMAIL` say. */
  readonly value?: string;
  /** The values that it takes; absent: any. */
  readonly choices?: readonly string[];
  readonly help: string;
}

/** What was given on the command line, parsed and with no option twice that may stand only once. */
export interface Args {
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
}

/** A command of `postern`. */
export interface Command {
  /** The words that name it: `["user", "create"]`. */
  readonly path: readonly string[];
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the path: `--email E [--username N]`. */
  readonly usage: string;
  /** Its own options; `--json` and `--help` are everyone's. */
  readonly options: Readonly<Record<string, Option>>;
  /** How many arguments it takes beside options; none where absent. */
  readonly maxPositionals?: number;
  /** What such an argument may be; absent: anything. */
  readonly choices?: readonly string[];
  /** @returns what is printed on stdout, as JSON or as text; nothing where undefined */
  run(args: Args, io: Io): Promise<unknown>;
}

/** The command line makes no sense: exit code 2, with the usage. The message holds no value of an option. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command could not do its work: exit code 1. The message says what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** The value of an option that takes one. */
export function textOption({ values }: Args, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** The values of an option that may stand several times; none where it was not given. */
export function textOptions({ values }: Args, name: string): readonly string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** Whether an option without a value was given. */
export function flag({ values }: Args, name: string): boolean {
  return values[name] === true;
}

/** @throws {UsageError} where the option was not given */
export function requiredOption(args: Args, name: string): string {
  const value = textOption(args, name);
  if (value === undefined) throw new UsageError(`--${name} is required`);
  return value;
}

/** @throws {UsageError} where it is no whole number within the bounds */
export function integerOption(args: Args, name: string, least: number, most: number): number | undefined {
  const text = textOption(args, name);
  if (text === undefined) return undefined;
  const value = /^(0|[1-9][0-9]{0,8})$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UsageError(`--${name} takes a whole number from ${least} to ${most}`);
  }
  return value;
}

/** The option of every command that acts on a database. */
export const embeddedOption = {
  embedded: { type: "boolean", help: "act on the embedded database in POSTERN_DATA_DIR" },
} as const satisfies Readonly<Record<string, Option>>;
