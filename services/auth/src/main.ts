import { type Command, CommandError, flag, UsageError } from "./cli/command.ts";
import { commandHelp, groupHelp, usageLine } from "./cli/help.ts";
import { type Io, processIo } from "./cli/io.ts";
import { printAnswer } from "./cli/output.ts";
import { findCommand, parseCommandArgs } from "./cli/parse.ts";
import { commands as allCommands } from "./cli/table.ts";
import { ConfigError } from "./config/error.ts";
import { AuthError } from "./domain/errors.ts";

const exitCodes = { success: 0, failure: 1, misuse: 2 } as const;

/**
 * Runs the command that `argv` (without the interpreter and the script) names.
 * @returns the exit code: 0 success, 1 failure, 2 wrong use or configuration
 */
export async function main(
  argv: readonly string[],
  io: Io = processIo(),
  commands: readonly Command[] = allCommands,
): Promise<number> {
  let command: Command | undefined;
  try {
    const found = findCommand(commands, argv);
    if (found.kind === "group") return describeGroup(commands, found.words, found.rest, io);
    command = found.command;
    const args = parseCommandArgs(command, found.rest);
    if (flag(args, "help")) {
      io.stdout.write(commandHelp(command));
    } else {
      printAnswer(io.stdout, await command.run(args, io), { json: flag(args, "json") });
    }
    return exitCodes.success;
  } catch (error) {
    return report(error, command, io);
  }
}

function describeGroup(
  commands: readonly Command[],
  words: readonly string[],
  rest: readonly string[],
  io: Io,
): number {
  const asked = rest.includes("--help");
  (asked ? io.stdout : io.stderr).write(groupHelp(commands, words));
  return asked ? exitCodes.success : exitCodes.misuse;
}

function report(error: unknown, command: Command | undefined, io: Io): number {
  const name = ["postern", ...(command?.path ?? [])].join(" ");
  if (error instanceof UsageError) {
    const usage = command === undefined ? "see postern --help" : usageLine(command);
    io.stderr.write(`${name}: ${error.message}\n${usage}\n`);
    return exitCodes.misuse;
  }
  if (error instanceof ConfigError) {
    io.stderr.write(`${name}: the configuration is wrong\n${error.message.replace(/^/gm, "  ")}\n`);
    return exitCodes.misuse;
  }
  const expected = error instanceof AuthError || error instanceof CommandError;
  io.stderr.write(`${name}: ${expected ? error.message : `unexpected fault: ${describeFault(error)}`}\n`);
  if (isDebugging(io) && error instanceof Error) io.stderr.write(`${error.stack}\n`);
  const misuse = error instanceof AuthError && error.reason === "INVALID_REQUEST";
  return misuse ? exitCodes.misuse : exitCodes.failure;
}

/** One short line. Of several faults at once, such as those of every address of a name, the first. */
function describeFault(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return describeFault(error.errors[0]);
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0]?.slice(0, 500) || "no reason given";
}

/** Read from the environment as it is: the configuration may be what failed. */
function isDebugging({ env }: Io): boolean {
  const level = env["POSTERN_LOG_LEVEL"];
  return level === "debug" || level === "trace";
}
