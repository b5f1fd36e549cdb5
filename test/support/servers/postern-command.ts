import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { childEnv } from "./child-env.ts";
import { AUDIENCE, ISSUER } from "./server-process.ts";

const binary = fileURLToPath(import.meta.resolve("../../../services/auth/bin/postern.js"));
const preload = fileURLToPath(import.meta.resolve("./end-with-parent.ts"));

export type Environment = Readonly<Record<string, string>>;

/** All that `serve` asks for, on ports that the system picks. */
export function serveSettings(databaseUrl: string, masterKey: string, ops = "127.0.0.1:0") {
  return {
    POSTERN_DATABASE_URL: databaseUrl,
    POSTERN_MASTER_KEY: masterKey,
    POSTERN_ISSUER: ISSUER,
    POSTERN_AUDIENCE: AUDIENCE,
    POSTERN_HTTP_ADDR: "127.0.0.1:0",
    POSTERN_GRPC_ADDR: "127.0.0.1:0",
    POSTERN_OPS_ADDR: ops,
  };
}

/** How a command ended and what it said. */
export interface Ended {
  /** `null` where a signal ended it, as happens to one that takes longer than a minute. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the binary to its end, with nothing of our own environment. */
export async function runPostern(
  args: readonly string[],
  env: Environment = {},
  { stdin = "" } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [binary, ...args], { env: childEnv(env), timeout: 60_000 });
  // One that ends without reading it breaks the pipe.
  child.stdin.on("error", () => {}).end(stdin);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code, stdout, stderr };
}

/** A command that has not ended yet. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  /** The output so far. */
  stderr(): string;
  readonly ended: Promise<Ended>;
}

/** Starts the binary; it ends with us. */
export function startPostern(args: readonly string[], env: Environment): Running {
  const child = spawn(process.execPath, ["--import", preload, binary, ...args], { env: childEnv(env) });
  const closed = once(child, "close");
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    stderr += part;
  });
  const ended = Promise.all([text(child.stdout), closed]).then(
    ([stdout, [code]]) => ({ code, stdout, stderr }) satisfies Ended,
  );
  return {
    pid: child.pid ?? 0,
    signal: (name) => void child.kill(name),
    stderr: () => stderr,
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
