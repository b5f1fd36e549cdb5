import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { poll } from "../support/poll.ts";
import { childEnv } from "../support/servers/child-env.ts";
import { embeddedEnvironment } from "./make-run.ts";

const binary = fileURLToPath(import.meta.resolve("../../services/auth/bin/postern.js"));
const preload = fileURLToPath(import.meta.resolve("../support/servers/end-with-parent.ts"));

/** A `postern serve --embedded` that has said its lines. */
export interface EmbeddedServer extends AsyncDisposable {
  /** What follows a word at the beginning of a line on stdout: `http`, `token` and so on. */
  said(word: string): string;
  /** SIGTERM; its exit code. */
  stop(): Promise<number | null>;
}

export async function serveEmbedded(dataDir: string): Promise<EmbeddedServer> {
  const child = spawn(process.execPath, ["--import", preload, binary, "serve", "--embedded"], {
    env: childEnv({ ...embeddedEnvironment(dataDir), POSTERN_LOG_LEVEL: "error" }),
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exit = once(child, "exit").then(([code]) => code as number | null);
  const lines: string[] = [];
  createInterface(child.stdout).on("line", (line) => lines.push(line));
  const isUp = async () => (lines.at(-1)?.startsWith("curl ") || child.exitCode !== null ? true : undefined);
  await poll("the server has said its lines", 60_000, isUp);
  const stop = () => {
    child.kill("SIGTERM");
    return exit;
  };
  return {
    said: (word) => lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1) ?? "",
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}
