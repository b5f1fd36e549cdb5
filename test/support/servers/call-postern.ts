import { main } from "../../../services/auth/src/main.ts";
import type { Ended, Environment } from "./postern-command.ts";

/**
 * Runs a command as `runPostern` does, but within the test's own process, which saves the start of one. Each kind of
 * command also runs as a process in some test: a command that does not end by itself shows only there.
 */
export async function callPostern(
  args: readonly string[],
  env: Environment = {},
  { stdin = "" } = {},
): Promise<Ended> {
  const written = { stdout: "", stderr: "" };
  const output = (name: keyof typeof written) => ({
    write(text: string) {
      written[name] += text;
    },
  });
  async function* input() {
    yield stdin;
  }
  const code = await main(args, {
    stdout: output("stdout"),
    stderr: output("stderr"),
    stdin: input(),
    env,
    closed: new AbortController().signal,
  });
  return { code, ...written };
}
