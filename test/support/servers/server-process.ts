import { type ChildProcessByStdio, type SpawnOptions, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { poll } from "../poll.ts";
import { childEnv } from "./child-env.ts";

const BINARY = `${import.meta.dirname}/../../../services/auth/bin/postern.js`;
const PRELOAD = `${import.meta.dirname}/end-with-parent.ts`;

/** A server that takes longer to stop hangs. */
const stopTimeoutMs = 120_000;

export const ISSUER = "https://postern.test";
export const AUDIENCE = "https://api.postern.test";

/** Credentials that every server started here knows, by what they may do. */
export const TOKENS = {
  /** Every permission. */
  admin: "test-admin-token-0123456789abcdefghij",
  /** Permissions `login`, `introspect`, `revoke`, `sessions`; its client addresses are trusted. */
  web: "test-web-token-0123456789abcdefghijkl",
  /** Like `web`, with other clients: it has no access to the sessions of `web`. */
  other: "test-other-token-0123456789abcdefghij",
  /** Permission `introspect` alone. */
  resource: "test-resource-token-0123456789abcdefg",
} as const;

const USER_FACING = ["login", "introspect", "revoke", "sessions"];
const SECRET_TOKENS = [
  { name: "admin", token: TOKENS.admin, permissions: ["*"], scopes: ["*"], audiences: ["*"], clients: ["*"] },
  {
    name: "web",
    token: TOKENS.web,
    permissions: USER_FACING,
    scopes: ["read", "write"],
    trusted_address: true,
  },
  { name: "other", token: TOKENS.other, permissions: USER_FACING, scopes: ["read", "write"] },
  { name: "resource", token: TOKENS.resource, permissions: ["introspect"] },
];

export interface ServerOptions {
  readonly databaseUrl: string;
  /** Further settings, which replace the usual ones; `undefined` removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A module that is loaded before its own. */
  readonly preload?: string;
  /** Words of a command that runs what follows them, as `env` does; it must become it, not start it. */
  readonly under?: readonly string[];
  /** Whose process it is, and where. */
  readonly as?: Readonly<Pick<SpawnOptions, "uid" | "gid" | "cwd">>;
  /** What its log goes to: an open file; or a pipe that is not read, or closed. By default it is read. */
  readonly stderr?: number | "unread" | "closed";
}

/** A running server, in its own process. */
export interface ServerProcess extends AsyncDisposable {
  /** Base URLs of the listeners. */
  readonly http: string;
  readonly grpc: string;
  readonly ops: string;
  readonly pid: number;
  /** Its log lines so far, parsed; a line that is not JSON becomes `{ msg }`. */
  readonly logs: readonly Readonly<Record<string, unknown>>[];
  /** SIGTERM; resolves to the exit code, or `null` where a signal ended it. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves when it is gone. */
  kill9(): Promise<void>;
}

/** Starts the real binary on free ports of 127.0.0.1, and resolves once it says that it is ready. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { preload, under = [], as = {}, stderr = "read" } = options;
  const imports = [PRELOAD, ...(preload === undefined ? [] : [preload])].flatMap((path) => [
    "--import",
    path,
  ]);
  const [command = process.execPath, ...words] = [...under, process.execPath, ...imports, BINARY, "serve"];
  const child = spawn(command, words, {
    ...as,
    env: settings(options),
    stdio: ["pipe", "pipe", typeof stderr === "number" ? stderr : "pipe"],
  }) as ChildProcessByStdio<Writable, Readable, Readable | null>;
  const exit = once(child, "exit").then(([code]) => code as number | null);
  const logs: Record<string, unknown>[] = [];
  if (stderr === "closed") child.stderr?.destroy();
  else if (child.stderr !== null && stderr === "read")
    createInterface(child.stderr).on("line", (line) => logs.push(parse(line)));
  const urls = readUrls(child.stdout);
  const ended = () => child.exitCode !== null || child.signalCode !== null;

  async function url(name: string): Promise<string> {
    return poll(`the server's ${name} URL`, 20_000, async () => (ended() ? "" : urls.get(name)));
  }
  async function kill(signal: NodeJS.Signals): Promise<number | null> {
    child.kill(signal);
    const tooLate = new AbortController();
    try {
      const code = await Promise.race([
        exit,
        delay(stopTimeoutMs, "late" as const, { signal: tooLate.signal }),
      ]);
      if (code !== "late") return code;
    } finally {
      tooLate.abort();
    }
    child.kill("SIGKILL");
    const last = logs.slice(-5).map((line) => JSON.stringify(line));
    throw new Error(`the server did not end within ${stopTimeoutMs} ms of ${signal}:\n${last.join("\n")}`);
  }
  try {
    const [http, grpc, ops] = await Promise.all([url("http"), url("grpc"), url("ops")]);
    await poll("the server is ready", 20_000, async () =>
      ended() || (await fetch(`${ops}/readyz`)).status === 200 ? true : undefined,
    );
    if (ended()) throw new Error(`it ended with ${await exit}`);
    const stop = () => kill("SIGTERM");
    return {
      http,
      grpc,
      ops,
      logs,
      pid: child.pid ?? 0,
      stop,
      kill9: async () => void (await kill("SIGKILL")),
      [Symbol.asyncDispose]: async () => void (await stop()),
    };
  } catch (error) {
    await kill("SIGKILL");
    const result = logs.map((line) => JSON.stringify(line)).join("\n");
    throw new Error(`the server did not start:\n${result}`, { cause: error });
  }
}

function settings({ databaseUrl, env = {} }: ServerOptions): NodeJS.ProcessEnv {
  return childEnv({
    POSTERN_DATABASE_URL: databaseUrl,
    POSTERN_HTTP_ADDR: "127.0.0.1:0",
    POSTERN_GRPC_ADDR: "127.0.0.1:0",
    POSTERN_OPS_ADDR: "127.0.0.1:0",
    POSTERN_ISSUER: ISSUER,
    POSTERN_AUDIENCE: AUDIENCE,
    POSTERN_MASTER_KEY: randomBytes(32).toString("base64"),
    POSTERN_SECRET_TOKENS: JSON.stringify(SECRET_TOKENS),
    POSTERN_DRAIN_DELAY: "0s",
    ...env,
  });
}

function readUrls(stdout: Readable): ReadonlyMap<string, string> {
  const urls = new Map<string, string>();
  createInterface(stdout).on("line", (line) => {
    const [name = "", url = ""] = line.split(" ");
    urls.set(name, url);
  });
  return urls;
}

function parse(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line);
  } catch {
    return { msg: line };
  }
}
