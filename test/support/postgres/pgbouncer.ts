import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { freePort } from "../ports.ts";
import { guardedFolder } from "./guarded-folder.ts";
import { answers } from "./postgres-answers.ts";
import { signal } from "./postgres-processes.ts";

const run = promisify(execFile);

/** A private PgBouncer in transaction mode before a Postgres, listening on 127.0.0.1 only. */
export interface PgBouncer extends AsyncDisposable {
  /** Its console: a database that knows `show pools` and its like, by the simple protocol alone. */
  readonly consoleUrl: string;
  /** The URL of a database with PgBouncer in the place of Postgres. */
  through(databaseUrl: string): string;
  /** SIGKILL; resolves when it is gone, and its connections with it. */
  kill9(): Promise<void>;
  /** Starts it on the same port after `kill9`. */
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export interface PgBouncerOptions {
  /** Any superuser's URL of the Postgres behind it. */
  readonly postgresUrl: string;
  /** URLs of other roles that may connect. */
  readonly otherUrls?: readonly string[];
  /** Connections to one database that all clients share; 8 by default. */
  readonly poolSize?: number;
}

/** Starts PgBouncer; as root it runs as the user `postgres`, for it refuses root. */
export async function startPgBouncer({
  postgresUrl,
  otherUrls = [],
  poolSize = 8,
}: PgBouncerOptions): Promise<PgBouncer> {
  const file = await binary();
  const folder = await guardedFolder("pgbouncer");
  try {
    const port = await freePort();
    const owner = await unprivileged();
    await writeFile(`${folder.path}/users.txt`, [postgresUrl, ...otherUrls].map(userLine).join(""), {
      mode: 0o600,
    });
    await writeFile(`${folder.path}/pgbouncer.ini`, configuration(postgresUrl, { port, poolSize }));
    if (owner !== undefined) {
      for (const name of ["", "/users.txt"]) await chown(folder.path + name, owner.uid, owner.gid);
    }
    function through(url: string): string {
      return Object.assign(new URL(url), { hostname: "127.0.0.1", port: String(port) }).href;
    }
    const consoleUrl = through(Object.assign(new URL(postgresUrl), { pathname: "/pgbouncer" }).href);
    let child: ChildProcess | undefined;
    async function start(): Promise<void> {
      child = spawn(file, ["-q", "pgbouncer.ini"], {
        ...owner,
        cwd: folder.path,
        env: {},
        detached: true,
        stdio: ["ignore", "ignore", "pipe"],
      });
      await started(child, through(postgresUrl));
    }
    async function kill9(): Promise<void> {
      if (child?.pid === undefined || hasEnded(child)) return;
      const exit = once(child, "exit");
      child.ref();
      signal(child.pid, "SIGKILL");
      await exit;
    }
    async function stop(): Promise<void> {
      await kill9();
      await folder.sweep();
    }
    await start();
    return { consoleUrl, through, kill9, start, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await folder.sweep();
    throw error;
  }
}

/** Waits until it hands on to Postgres. */
async function started(child: ChildProcess, url: string): Promise<void> {
  let log = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    log = (log + text).slice(-4_000);
  });
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();
  await answers(url, () => hasEnded(child));
  if (hasEnded(child)) throw new Error(`PgBouncer ended at its start:\n${log}`);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Every database of the Postgres behind it, by its own name. */
function configuration(postgresUrl: string, { port, poolSize }: { port: number; poolSize: number }): string {
  const { hostname, port: postgresPort, username } = new URL(postgresUrl);
  return `[databases]
* = host=${hostname} port=${postgresPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users.txt
admin_users = ${username}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 500
`;
}

/** In plain text, it serves for both sides: SCRAM with the clients, and with Postgres. */
function userLine(postgresUrl: string): string {
  const { username, password } = new URL(postgresUrl);
  return `"${username}" "${decodeURIComponent(password)}"\n`;
}

async function binary(): Promise<string> {
  for (const file of ["/usr/sbin/pgbouncer", "pgbouncer"]) {
    const found = await run(file, ["--version"]).catch(() => undefined);
    if (found !== undefined) return file;
  }
  throw new Error("PgBouncer was not found: apt-get install pgbouncer");
}

async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (flag) => Number((await run("id", [flag, "postgres"])).stdout)),
  );
  if (!uid || !gid) throw new Error("PgBouncer refuses root, and there is no user `postgres` to run it as");
  return { uid, gid };
}
