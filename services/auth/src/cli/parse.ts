import { type ParseArgsConfig, parseArgs } from "node:util";
import { nearestName } from "../config/nearest-name.ts";
import { type Args, type Command, type Option, UsageError } from "./command.ts";

/** The options of every command. */
export const commonOptions = {
  json: { type: "boolean", help: "print JSON" },
  help: { type: "boolean", help: "print this help" },
} as const satisfies Readonly<Record<string, Option>>;

/** What the words before the first option mean: a command, or the group of commands that begin with them. */
export type Found =
  | { readonly kind: "command"; readonly command: Command; readonly rest: readonly string[] }
  | { readonly kind: "group"; readonly words: readonly string[]; readonly rest: readonly string[] };

/** @throws {UsageError} if no command begins with the words, with the name that was probably meant */
export function findCommand(commands: readonly Command[], argv: readonly string[]): Found {
  let candidates = commands;
  let depth = 0;
  for (const word of argv) {
    const exact = candidates.find(({ path }) => path.length === depth);
    if (exact !== undefined) return { kind: "command", command: exact, rest: argv.slice(depth) };
    if (word.startsWith("-")) break;
    const next = candidates.filter(({ path }) => path[depth] === word);
    if (next.length === 0) throw unknownCommand(candidates, depth, word);
    candidates = next;
    depth++;
  }
  const exact = candidates.find(({ path }) => path.length === depth);
  if (exact !== undefined) return { kind: "command", command: exact, rest: argv.slice(depth) };
  return { kind: "group", words: argv.slice(0, depth), rest: argv.slice(depth) };
}

function unknownCommand(candidates: readonly Command[], depth: number, word: string): UsageError {
  const names = candidates.map(({ path }) => path[depth] ?? "");
  const nearest = nearestName(word, names);
  return new UsageError(
    nearest === undefined ? "no such command" : `no such command; did you mean \`${nearest}\`?`,
  );
}

/** @throws {UsageError} for an unknown option, a missing value, a repeated option, or too many arguments */
export function parseCommandArgs(command: Command, argv: readonly string[]): Args {
  const options: Readonly<Record<string, Option>> = { ...command.options, ...commonOptions };
  const { values, positionals, tokens } = parseStrictly(argv, options);
  const seen = new Set<string>();
  for (const token of tokens ?? []) {
    if (token.kind !== "option") continue;
    if (seen.has(token.name) && options[token.name]?.multiple !== true) {
      throw new UsageError(`--${token.name} may be given once`);
    }
    seen.add(token.name);
    const { choices } = options[token.name] ?? {};
    if (choices !== undefined && !choices.includes(token.value ?? "")) {
      throw new UsageError(`--${token.name} takes one of: ${choices.join(", ")}`);
    }
  }
  const most = command.maxPositionals ?? 0;
  // `--help` wins over all other options.
  if (positionals.length > most && values["help"] !== true) {
    throw new UsageError(
      most === 0 ? "takes options only, no further arguments" : "there are too many arguments",
    );
  }
  return { values, positionals };
}

function parseStrictly(argv: readonly string[], options: Readonly<Record<string, Option>>) {
  const config = Object.entries(options).map(
    ([name, { type, multiple = false }]) => [name, { type, multiple }] as const,
  );
  try {
    return parseArgs({
      args: joinDashedValues(argv, options),
      options: Object.fromEntries(config) satisfies ParseArgsConfig["options"],
      allowPositionals: true,
      tokens: true,
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // The first sentence of Node's message names the option, never the value.
    const [text = ""] = error.message.split(". ", 1);
    const unknown = /^Unknown option '--([^']*)'$/.exec(text)?.[1];
    const meant = unknown === undefined ? undefined : nearestName(unknown, Object.keys(options));
    throw new UsageError(meant === undefined ? text : `${text}; did you mean \`--${meant}\`?`);
  }
}

/**
 * Joins an option and its value if the value begins with one dash, as page tokens and pseudonyms of accounts can. `parseArgs`
 * would read such a value as a short option. Postern has no short options.
 */
function joinDashedValues(argv: readonly string[], options: Readonly<Record<string, Option>>): string[] {
  const joined: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const [word = "", value] = argv.slice(index, index + 2);
    if (word === "--") return [...joined, ...argv.slice(index)];
    const takesText = word.startsWith("--") && options[word.slice(2)]?.type === "string";
    if (takesText && value !== undefined && /^-[^-]/.test(value)) {
      joined.push(`${word}=${value}`);
      index += 1;
    } else {
      joined.push(word);
    }
  }
  return joined;
}
