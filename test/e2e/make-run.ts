import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { poll } from "../support/poll.ts";
import { childrenOf, isAlive, signal } from "../support/postgres/postgres-processes.ts";
import { childEnv } from "../support/servers/child-env.ts";
import { gone, postgresOf } from "../support/servers/embedded-fixture.ts";

const root = fileURLToPath(import.meta.resolve("../.."));

/** A `make run` that has said all its lines. */
export interface MakeRun extends AsyncDisposable {
  /** What stood on stdout, to the line that begins with `curl `. */
  readonly lines: readonly string[];
  /** What follows a word at the beginning of a line: `http`, `token` and so on. */
  said(word: string): string;
  /** Of `make` itself, which leads a process group. */
  readonly pid: number;
  readonly serverPid: number;
  readonly postgresPid: number;
  /** Its exit code, and what stood on stdout after the lines. */
  readonly ended: Promise<{ code: number | null; rest: readonly string[] }>;
}

/** The environment of a newcomer's shell, with a data folder and free ports. */
export function embeddedEnvironment(dataDir: string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    POSTERN_DATA_DIR: dataDir,
    POSTERN_HTTP_ADDR: "127.0.0.1:0",
    POSTERN_GRPC_ADDR: "127.0.0.1:0",
    POSTERN_OPS_ADDR: "127.0.0.1:0",
  };
}

/**
 * Runs the recipe of `make run`. Only the `make setup` in it does nothing: what it installs is what this test
 * runs on.
 */
export async function makeRun(dataDir: string): Promise<MakeRun> {
  const child = spawn("make", ["run", "MAKE=true"], {
    cwd: root,
    env: childEnv(embeddedEnvironment(dataDir)),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const pid = child.pid ?? 0;
  const result = text(child.stderr);
  const [lines, rest]: [string[], string[]] = [[], []];
  const stdout = createInterface(child.stdout).on("line", (line) => {
    const isDone = lines.at(-1)?.startsWith("curl ") ?? false;
    (isDone ? rest : lines).push(line);
  });
  const ended = Promise.all([once(child, "exit"), once(stdout, "close")]).then(([[code]]) => ({
    code,
    rest,
  }));
  try {
    await poll("make run has said its lines", 60_000, async () =>
      lines.at(-1)?.startsWith("curl ") || !isAlive(pid) ? true : undefined,
    );
    const serverPid = childrenOf(pid).find(isServer);
    if (serverPid === undefined) throw new Error("make run has no server");
    const postgresPid = postgresOf(dataDir);
    return {
      lines,
      pid,
      serverPid,
      postgresPid,
      ended,
      said: (word) => lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1) ?? "",
      async [Symbol.asyncDispose]() {
        for (const one of [pid, serverPid]) signal(one, "SIGKILL");
        await gone(postgresPid);
      },
    };
  } catch (error) {
    for (const one of [...childrenOf(pid), pid]) signal(one, "SIGKILL");
    throw new Error(`make run did not start:\n${lines.join("\n")}\n${await result}`, { cause: error });
  }
}

function isServer(pid: number): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("postern.js");
}
