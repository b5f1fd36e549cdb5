import { type Env, processEnv } from "../config/env.ts";

/** A stream that text is written to. */
export interface Output {
  write(text: string): unknown;
}

/** The streams and the environment of a command. */
export interface Io {
  /** Data. */
  readonly stdout: Output;
  /** Everything else. */
  readonly stderr: Output;
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly env: Env;
  /** Aborted when `stdout` was closed by its reader. This is noticed at the next write. */
  readonly closed: AbortSignal;
}

/** The process's own streams and environment. */
export function processIo(): Io {
  const { stdout, stderr } = process;
  const closed = new AbortController();
  // A reader such as `head` closes the pipe early. That is not an error of the command.
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    closed.abort();
  });
  // A message that cannot be written does not fail the command: its exit code has the outcome.
  stderr.on("error", () => {});
  return {
    stdout,
    stderr,
    // Node opens it at the first access, which fails if another process already reads from it.
    get stdin() {
      return process.stdin;
    },
    env: processEnv(),
    closed: closed.signal,
  };
}
