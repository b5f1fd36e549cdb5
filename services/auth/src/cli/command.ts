import type { Io } from "./io.ts";

/** An option of a command. */
export interface Option {
  readonly type: "string" | "boolean";
  /** May be given several times. */
  readonly multiple?: boolean;
  /** The placeholder of the value in the help, for example `EMAIL`. */
  readonly value?: string;
  /** The allowed values; absent: any. */
  readonly choices?: readonly string[];
  readonly help: string;
}

/** The parsed command line. No option that may be given only once is given twice. */
export interface Args {
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
}

/** A command of `postern`. */
export interface Command {
  /** The command's words: `["user", "create"]`. */
  readonly path: readonly string[];
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the path: `--email E [--username N]`. */
  readonly usage: string;
  /** The command's own options. Every command has `--json` and `--help`. */
  readonly options: Readonly<Record<string, Option>>;
  /** Maximum number of arguments that are not options. Default: 0. */
  readonly maxPositionals?: number;
  /** The allowed values of such an argument; absent: any. */
  readonly choices?: readonly string[];
  /** @returns what is printed on stdout, as JSON or as text; nothing if undefined */
  run(args: Args, io: Io): Promise<unknown>;
}

/** Wrong use of the command line: exit code 2, with the usage. The message contains no value of an option. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command failed: exit code 1. The message says what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** The value of an option. */
export function textOption({ values }: Args, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** The values of an option that may be given several times; empty if it was not given. */
export function textOptions({ values }: Args, name: string): readonly string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** Whether an option without a value was given. */
export function flag({ values }: Args, name: string): boolean {
  return values[name] === true;
}

/** @throws {UsageError} if the option was not given */
export function requiredOption(args: Args, name: string): string {
  const value = textOption(args, name);
  if (value === undefined) throw new UsageError(`--${name} is required`);
  return value;
}

/** @throws {UsageError} unless it is a whole number within the bounds */
export function integerOption(args: Args, name: string, least: number, most: number): number | undefined {
  const text = textOption(args, name);
  if (text === undefined) return undefined;
  const value = /^(0|[1-9][0-9]{0,8})$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UsageError(`--${name} takes a whole number from ${least} to ${most}`);
  }
  return value;
}

/** The option of every command that uses a database. */
export const embeddedOption = {
  embedded: { type: "boolean", help: "use the embedded database in POSTERN_DATA_DIR" },
} as const satisfies Readonly<Record<string, Option>>;
