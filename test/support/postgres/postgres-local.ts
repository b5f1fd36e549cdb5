import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chown, readdir, readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { poll } from "../poll.ts";
import { freePort } from "../ports.ts";
import { guardedFolder } from "./guarded-folder.ts";
import { answers } from "./postgres-answers.ts";
import { childrenOf, isAlive, killTree, signal } from "./postgres-processes.ts";
import type { PostgresServer } from "./postgres-server.ts";

const DEBIAN = "/usr/lib/postgresql";
const FIXED = { listen_addresses: "127.0.0.1", unix_socket_directories: "", timezone: "UTC" };
const isRoot = process.getuid?.() === 0;

/** Starts Debian's newest Postgres; as root it runs as the user `postgres`, for it refuses root. */
export async function startLocal(settings: Readonly<Record<string, string>>): Promise<PostgresServer> {
  const bin = await binaries();
  const folder = await guardedFolder("postgres");
  try {
    const data = `${folder.path}/data`;
    const password = randomBytes(16).toString("hex");
    const options = await unprivileged(folder.path);
    await initialize(bin, folder.path, password, options);
    const port = await freePort();
    const flags = Object.entries({ ...settings, port: String(port), ...FIXED }).flatMap(([k, v]) => [
      "-c",
      `${k}=${v}`,
    ]);
    const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
    const start = () => startPostmaster(`${bin}/postgres`, ["-D", data, ...flags], options, url);
    return control(url, await start(), start, folder.sweep);
  } catch (error) {
    await folder.sweep();
    throw error;
  }
}

async function binaries(): Promise<string> {
  const versions = await readdir(DEBIAN).catch(() => []);
  const newest = versions
    .map(Number)
    .filter(Boolean)
    .sort((a, b) => b - a)[0];
  if (newest === undefined) {
    throw new Error(`no container engine answers and ${DEBIAN} is empty: apt-get install postgresql`);
  }
  return `${DEBIAN}/${newest}/bin`;
}

async function unprivileged(folder: string): Promise<SpawnOptions> {
  const options = { cwd: folder, env: { LC_ALL: "C.UTF-8", PATH: "/usr/bin:/bin" } };
  if (!isRoot) return options;
  const entry = (await readFile("/etc/passwd", "utf8")).match(/^postgres:[^:]*:(\d+):(\d+):/m);
  if (!entry) throw new Error("Postgres refuses root, and there is no user `postgres` to run it as");
  const [uid, gid] = [Number(entry[1]), Number(entry[2])];
  await chown(folder, uid, gid);
  return { ...options, uid, gid };
}

async function initialize(
  bin: string,
  folder: string,
  password: string,
  options: SpawnOptions,
): Promise<void> {
  const file = `${folder}/password`;
  await writeFile(file, password, { mode: 0o600 });
  if (options.uid !== undefined) await chown(file, options.uid, options.gid ?? options.uid);
  const flags = ["--username=postgres", "--auth=scram-sha-256", `--pwfile=${file}`, "--no-sync"];
  await promisify(execFile)(
    `${bin}/initdb`,
    ["-D", `${folder}/data`, "-E", "UTF8", "--locale=C.UTF-8", ...flags],
    {
      ...options,
      signal: undefined,
    },
  );
}

async function startPostmaster(
  file: string,
  flags: string[],
  options: SpawnOptions,
  url: string,
): Promise<ChildProcess> {
  // In a new session, so that an interrupt of the test run does not end it first.
  const child = spawn(file, flags, { ...options, detached: true, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    log = (log + text).slice(-4_000);
  });
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();
  await answers(url, () => hasEnded(child));
  if (hasEnded(child)) throw new Error(`Postgres ended at its start:\n${log}`);
  return child;
}

function control(
  url: string,
  first: ChildProcess,
  start: () => Promise<ChildProcess>,
  sweep: () => Promise<void>,
): PostgresServer {
  let child = first;
  const server: PostgresServer = {
    url,
    get pid() {
      return hasEnded(child) ? undefined : child.pid;
    },
    async kill9() {
      if (server.pid === undefined) return;
      await allGone(killTree(server.pid));
      await ended(child);
    },
    async freeze() {
      if (server.pid === undefined) throw new Error("Postgres is not running");
      signal(server.pid, "SIGSTOP");
      for (const pid of childrenOf(server.pid)) signal(pid, "SIGSTOP");
    },
    async thaw() {
      if (server.pid === undefined) throw new Error("Postgres is not running");
      for (const pid of childrenOf(server.pid)) signal(pid, "SIGCONT");
      signal(server.pid, "SIGCONT");
    },
    async restart() {
      await shutDown();
      child = await start();
    },
    async stop() {
      await shutDown();
      await sweep();
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
  async function shutDown(): Promise<void> {
    if (server.pid === undefined) return;
    await server.thaw();
    // SIGINT is Postgres's fast shutdown: it ends open sessions and writes a checkpoint.
    signal(server.pid, "SIGINT");
    await ended(child);
  }
  return server;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function ended(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  child.ref();
  await once(child, "exit");
}

async function allGone(pids: number[]): Promise<void> {
  await poll("killed processes are gone", 10_000, async () => (pids.some(isAlive) ? undefined : true));
}
