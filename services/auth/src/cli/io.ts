import { type Env, processEnv } from "../config/env.ts";

/** A stream that text is written to. */
export interface Output {
  write(text: string): unknown;
}

/** What a command sees of the outside. */
export interface Io {
  /** Data. */
  readonly stdout: Output;
  /** All else. */
  readonly stderr: Output;
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly env: Env;
  /** Aborted when nobody reads `stdout` any more, which shows when something is written to it. */
  readonly closed: AbortSignal;
}

/** The process's own streams and environment. */
export function processIo(): Io {
  const { stdout, stderr } = process;
  const closed = new AbortController();
  // A reader that has seen enough, such as `head`, closes the pipe: no fault of the command.
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    closed.abort();
  });
  // What cannot be told is no reason not to do it: the exit code tells as well.
  stderr.on("error", () => {});
  return {
    stdout,
    stderr,
    // Node opens it at the first look, which fails where something else already reads from it.
    get stdin() {
      return process.stdin;
    },
    env: processEnv(),
    closed: closed.signal,
  };
}
