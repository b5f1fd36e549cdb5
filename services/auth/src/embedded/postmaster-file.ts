import { execFile } from "node:child_process";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { isProcessAlive } from "./process-alive.ts";

/** What started a Postgres: a server, or a command for its own time. */
export type Holder = "server" | "command";

/** A Postgres that runs on a cluster. */
export interface Running {
  readonly port: number;
  readonly status: "starting" | "ready" | "stopping";
  /** `undefined` if the process that started it is gone: it is about to end. */
  readonly holder: Holder | undefined;
}

/** An empty `postmaster.pid` is being written, or was left by a power failure. */
const EMPTY_IS_OLD_AFTER_MS = 10_000;

/** The value of `cluster_name` from which `findRunning` reads the holder. */
export function holderName(holder: Holder): string {
  return `postern-${holder}-${process.pid}`;
}

/**
 * The Postgres that runs on the cluster, by its `postmaster.pid`.
 *
 * Postgres accepts the file while any process of its user has the ID in it. After a SIGKILL or a reboot that can be another
 * program: such a file is removed. If two processes do this at the same time, Postgres still refuses the second one, because
 * the first one has the cluster's shared memory.
 */
export async function findRunning(cluster: string): Promise<Running | undefined> {
  const path = join(cluster, "postmaster.pid");
  const text = await readFile(path, "utf8").catch(absent);
  if (text === undefined) return undefined;
  const [pid, , , port, , , , status = ""] = text.split("\n");
  if (!Number(pid)) {
    const age = Date.now() - ((await stat(path).catch(absent))?.mtimeMs ?? 0);
    if (age < EMPTY_IS_OLD_AFTER_MS) return { port: 0, status: "starting", holder: undefined };
    await rm(path, { force: true });
    return undefined;
  }
  if (!isProcessAlive(Number(pid))) return undefined;
  if (!(await commandLine(Number(pid))).includes(` -D ${cluster} `)) {
    await rm(path, { force: true });
    return undefined;
  }
  return { port: Number(port), status: parseStatus(status), holder: await findHolder(cluster) };
}

function parseStatus(text: string): Running["status"] {
  const status = text.trim();
  return status === "ready" || status === "stopping" ? status : "starting";
}

async function findHolder(cluster: string): Promise<Holder | undefined> {
  const options = (await readFile(join(cluster, "postmaster.opts"), "utf8").catch(absent)) ?? "";
  const [, holder, pid] = /cluster_name=postern-(server|command)-(\d+)/.exec(options) ?? [];
  if (pid === undefined) return undefined;
  return isProcessAlive(Number(pid)) ? (holder as Holder) : undefined;
}

/** A process's arguments, separated by spaces; empty if it has ended. */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === "linux") {
    const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return text.replaceAll("\0", " ");
  }
  const ps = promisify(execFile)("ps", ["-ww", "-o", "command=", "-p", String(pid)]);
  return ps.then(
    ({ stdout }) => stdout,
    () => "",
  );
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}
