import type { Env } from "../config/env.ts";
import type { Io } from "./io.ts";

/** An `Io` that keeps what is written. */
export function fakeIo({
  env = {},
  stdin = [],
}: {
  env?: Env;
  stdin?: readonly (string | Uint8Array)[];
} = {}) {
  const written = { stdout: "", stderr: "" };
  const output = (name: keyof typeof written) => ({
    write(text: string) {
      written[name] += text;
    },
  });
  async function* chunks() {
    yield* stdin;
  }
  const io: Io = {
    stdout: output("stdout"),
    stderr: output("stderr"),
    stdin: chunks(),
    env,
    closed: new AbortController().signal,
  };
  return { io, written };
}
