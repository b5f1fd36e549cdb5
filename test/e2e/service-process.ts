import { spawn } from "node:child_process";
import { once } from "node:events";
import { poll } from "../support/poll.ts";
import { childEnv } from "../support/servers/child-env.ts";

/** A service of a user of Postern, in its own process. */
export interface ServiceProcess extends AsyncDisposable {
  readonly url: string;
  /** The status of an answer; `undefined` while the service does not listen. */
  status(path: string, token?: string): Promise<number | undefined>;
  /** What it has written to stdout and stderr. */
  output(): string;
  /** SIGTERM; resolves to the exit code, or to null where the signal itself ended it. */
  stop(): Promise<number | null>;
}

export interface ServiceOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly port: number;
}

/** For Node's `--import`: ends the service with the test, however that ended. */
export const END_WITH_TEST = `${import.meta.dirname}/../support/servers/end-with-parent.ts`;

/** Starts it; resolves once it answers a request, with any status. */
export async function startService({
  command,
  args,
  cwd,
  env,
  port,
}: ServiceOptions): Promise<ServiceProcess> {
  const child = spawn(command, args, {
    cwd,
    env: childEnv(env),
    stdio: "pipe",
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      output += piece;
    });
  }
  const exit = once(child, "exit").then(([code]) => code as number | null);
  const url = `http://127.0.0.1:${port}`;

  async function status(path: string, token?: string): Promise<number | undefined> {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    try {
      const answer = await fetch(url + path, { headers });
      await answer.arrayBuffer();
      return answer.status;
    } catch {
      return undefined;
    }
  }
  async function end(signal: NodeJS.Signals): Promise<number | null> {
    child.kill(signal);
    return exit;
  }
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  try {
    const first = await poll("the service answers", 60_000, async () => (hasEnded() ? 0 : status("/")));
    if (first === 0) throw new Error(`it ended with ${await exit}`);
  } catch (error) {
    await end("SIGKILL");
    throw new Error(`the service did not start:\n${output}`, { cause: error });
  }
  return {
    url,
    status,
    output: () => output,
    stop: () => end("SIGTERM"),
    [Symbol.asyncDispose]: async () => void (await end("SIGKILL")),
  };
}
