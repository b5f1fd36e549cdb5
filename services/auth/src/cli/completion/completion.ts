import { type Command, UsageError } from "../command.ts";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { completedWords } from "./words.ts";
import { zshCompletion } from "./zsh.ts";

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };
const shells = Object.keys(scripts) as (keyof typeof scripts)[];

/**
 * Prints a script that completes commands and options. The script is complete: it starts no process.
 * @param listCommands every command, including this one
 */
export function createCompletion(listCommands: () => readonly Command[]): Command {
  return {
    path: ["completion"],
    summary: "Print a script for a shell to complete commands and options",
    usage: shells.join(" | "),
    options: {},
    maxPositionals: 1,
    choices: shells,
    async run({ positionals: [name] }, io) {
      const shell = shells.find((one) => one === name);
      if (shell === undefined) throw new UsageError(`name a shell: ${shells.join(", ")}`);
      io.stdout.write(scripts[shell](completedWords(listCommands())));
    },
  };
}
