import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readlink, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "pg";
import { findInstallation, sharedPlace } from "../../../services/auth/src/embedded/binaries.ts";
import { startEmbedded } from "../../../services/auth/src/embedded/embedded.ts";
import { poll } from "../poll.ts";
import { isAlive, postmasterPid } from "../postgres/postgres-processes.ts";
import { madeOnce } from "../run/made-once.ts";

export const newSecretToken = () => `ptn_st_${"t".repeat(40)}`;

/** A folder that exists as long as the test. */
export interface Folder extends AsyncDisposable {
  readonly path: string;
  /** A data folder in it that does not exist yet. */
  readonly dataDir: string;
}

/** @param parent where others can pass, unless that is what the test is about. */
export async function makeFolder(parent = tmpdir()): Promise<Folder> {
  const path = await mkdtemp(join(parent, "postern-test-embedded-"));
  await chmod(path, 0o755);
  const dataDir = join(path, "data");
  async function remove(): Promise<void> {
    const place = await readlink(join(dataDir, "database")).catch(() => undefined);
    if (place?.startsWith(`${sharedPlace}/`)) await rm(dirname(place), { recursive: true, force: true });
    // Removed only if it is empty.
    await rmdir(sharedPlace).catch(() => {});
    // An initdb that has been killed may still add files.
    await rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
  return { path, dataDir, [Symbol.asyncDispose]: remove };
}

const embeddedSources = fileURLToPath(import.meta.resolve("../../../services/auth/src/embedded"));
const copy = promisify(execFile);

/** As `makeFolder`, with the data folder of a server that has been started once and has ended. */
export async function makeUsedFolder(): Promise<Folder> {
  const used = await madeOnce({
    name: "embedded",
    sources: [embeddedSources],
    versions: [JSON.stringify(await findInstallation()), String(process.getuid?.())],
    async make(target) {
      await using folder = await makeFolder();
      const embedded = await startEmbedded({ dataDir: folder.dataDir, newSecretToken });
      await embedded[Symbol.asyncDispose]();
      await copy("cp", ["-a", folder.dataDir, join(target, "data")]);
    },
  });
  const folder = await makeFolder();
  await copy("cp", ["-a", join(used, "data"), folder.dataDir]);
  return folder;
}

/** A process with its own database. */
export interface HolderProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves at its next line on stdout. */
  line(): Promise<string>;
  /** Resolves, with the exit code, when it is gone. */
  readonly exit: Promise<number | null>;
}

/** Starts `embedded-holder.ts` as the leader of a process group. */
export function hold(
  dataDir: string,
  holder: "server" | "command",
  options: SpawnOptions = {},
): HolderProcess {
  const script = fileURLToPath(import.meta.resolve("./embedded-holder.ts"));
  const child = spawn(process.execPath, [script, dataDir, holder], {
    detached: true,
    ...options,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { stdout, pid } = child;
  if (stdout === null || pid === undefined) throw new Error("the holder did not start");
  const lines = createInterface(stdout)[Symbol.asyncIterator]();
  const exit = once(child, "exit").then(([code]) => code as number | null);
  return {
    child,
    pid,
    exit,
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`the holder ended with ${await exit}`);
      return value;
    },
    async [Symbol.asyncDispose]() {
      const postgres = postmasterPid(join(dataDir, "database"));
      child.kill("SIGKILL");
      await exit;
      if (postgres !== undefined) await gone(postgres);
    },
  };
}

/** The id of the Postgres that runs on the data folder. */
export function postgresOf(dataDir: string): number {
  const pid = postmasterPid(join(dataDir, "database"));
  if (pid === undefined || !isAlive(pid)) throw new Error(`no Postgres runs on ${dataDir}`);
  return pid;
}

export async function gone(pid: number): Promise<void> {
  await poll(`process ${pid} is gone`, 20_000, async () => (isAlive(pid) ? undefined : true));
}

/** The rows of one statement on a new connection. */
export async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
