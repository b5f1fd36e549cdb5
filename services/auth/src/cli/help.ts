import type { Command, Option } from "./command.ts";
import { formatColumns } from "./output.ts";
import { commonOptions } from "./parse.ts";

/** The usage line of a command. */
export function usageLine({ path, usage }: Command): string {
  return `usage: ${["postern", ...path, usage].filter((part) => part !== "").join(" ")}`;
}

/** The help of a command. */
export function commandHelp(command: Command): string {
  const options: Readonly<Record<string, Option>> = { ...command.options, ...commonOptions };
  const rows = Object.entries(options).map(([name, { value, help, multiple }]) => [
    `  --${name}${value === undefined ? "" : ` ${value}`}`,
    multiple === true ? `${help} (may be repeated)` : help,
  ]);
  return `${usageLine(command)}\n\n${command.summary}\n\noptions:\n${formatColumns(rows)}`;
}

/** The list of commands that begin with the words; all commands without words. */
export function groupHelp(commands: readonly Command[], words: readonly string[]): string {
  const rows = commands
    .filter(({ path }) => words.every((word, index) => path[index] === word))
    .map(({ path, summary }) => [`  ${path.join(" ")}`, summary]);
  const name = ["postern", ...words].join(" ");
  return `usage: ${name} <command> [options]\n\ncommands:\n${formatColumns(rows)}\nEach command has --help.\n`;
}
