import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { poll } from "../support/poll.ts";

const preload = `${import.meta.dirname}/../support/servers/end-with-parent.ts`;

export interface ListeningOptions<Name extends string> {
  /** The script and its arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Gets what it says on stderr. */
  readonly logFile: string;
  /** The URLs that it prints on stdout, each on a line after its name. */
  readonly names: readonly Name[];
}

/** A Node script that listens, in its own process; it ends with ours. */
export interface ListeningProcess<Name extends string> extends AsyncDisposable {
  readonly pid: number;
  readonly urls: Readonly<Record<Name, string>>;
  /** SIGTERM, and waits for its end. */
  stop(): Promise<void>;
}

/** @throws {Error} with its log if it ends before it has printed all URLs */
export async function startListening<Name extends string>(
  options: ListeningOptions<Name>,
): Promise<ListeningProcess<Name>> {
  const log = openSync(options.logFile, "a", 0o600);
  const child = spawn(process.execPath, ["--import", preload, ...options.args], {
    env: { PATH: process.env["PATH"], ...options.env },
    stdio: ["pipe", "pipe", log],
  });
  closeSync(log);
  const exit = once(child, "exit");
  const result = new Map<string, string>();
  createInterface(child.stdout as NonNullable<typeof child.stdout>).on("line", (line) => {
    const [name = "", url = ""] = line.split(" ");
    result.set(name, url);
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  await poll("it prints its URLs", 30_000, async () =>
    hasEnded() || options.names.every((name) => result.has(name)) ? true : undefined,
  );
  if (hasEnded()) {
    throw new Error(`${options.args.join(" ")} did not start:\n${await readFile(options.logFile, "utf8")}`);
  }
  async function stop(): Promise<void> {
    child.kill("SIGTERM");
    await exit;
  }
  const urls = Object.fromEntries(result) as Record<Name, string>;
  return { pid: child.pid ?? 0, urls, stop, [Symbol.asyncDispose]: stop };
}
