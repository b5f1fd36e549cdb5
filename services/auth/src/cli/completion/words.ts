import type { Command, Option } from "../command.ts";
import { commonOptions } from "../parse.ts";

/** An option for the shell's completion. */
export interface CompletedOption {
  readonly name: string;
  readonly help: string;
  readonly isMultiple: boolean;
  /** Whether a value follows. */
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  /** Whether its values are paths. */
  readonly isFile: boolean;
}

/** What can follow these words: more words, or options. */
export interface CompletedWords {
  /** `["user", "create"]`; empty at the beginning. */
  readonly path: readonly string[];
  readonly next: readonly { readonly word: string; readonly help: string }[];
  readonly options: readonly CompletedOption[];
  /** The allowed values of an argument, if they are known. */
  readonly choices: readonly string[];
}

/** Every prefix of a command, the shortest first. */
export function completedWords(commands: readonly Command[]): CompletedWords[] {
  const paths = new Map<string, readonly string[]>();
  for (const { path } of commands) {
    for (let length = 0; length <= path.length; length++) {
      const words = path.slice(0, length);
      paths.set(words.join(" "), words);
    }
  }
  return [...paths.values()]
    .sort((a, b) => a.length - b.length)
    .map((path) =>
      completedAt(
        path,
        commands.filter((command) => path.every((word, index) => command.path[index] === word)),
      ),
    );
}

function completedAt(path: readonly string[], below: readonly Command[]): CompletedWords {
  const exact = below.find((command) => command.path.length === path.length);
  const next = new Map<string, string>();
  for (const command of below) {
    const word = command.path[path.length];
    if (word === undefined) continue;
    const isLast = command.path.length === path.length + 1;
    next.set(word, isLast ? command.summary : `Commands of \`${[...path, word].join(" ")}\``);
  }
  const options: Readonly<Record<string, Option>> =
    exact === undefined ? { help: commonOptions.help } : { ...exact.options, ...commonOptions };
  return {
    path,
    next: [...next].map(([word, help]) => ({ word, help })),
    options: Object.entries(options).map(([name, option]) => ({
      name,
      help: option.help,
      isMultiple: option.multiple === true,
      takesValue: option.type === "string",
      choices: option.choices ?? [],
      isFile: option.value === "PATH",
    })),
    choices: exact?.choices ?? [],
  };
}
