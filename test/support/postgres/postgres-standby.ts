import { execFile } from "node:child_process";
import { readdir, readlink, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { poll } from "../poll.ts";
import { withClient } from "./database.ts";
import { startLocal } from "./postgres-local.ts";

const run = promisify(execFile);

const settings = {
  fsync: "off",
  full_page_writes: "off",
  synchronous_commit: "on",
  max_connections: "100",
  // One that was cut off asks again soon.
  wal_retrieve_retry_interval: "100ms",
};

/** A private primary and a hot standby of it, which answers reads; both on this machine's own Postgres. */
export interface Replication extends AsyncDisposable {
  readonly primaryUrl: string;
  readonly standbyUrl: string;
  /** Resolves when the standby has all that the primary has committed by now. */
  caughtUp(): Promise<void>;
  /** From now on the standby learns nothing more, and goes on answering. */
  cutOff(): void;
  /** Ends `cutOff`; resolves as `caughtUp`. */
  connect(): Promise<void>;
  /** Makes the standby a primary, with what it has by now. */
  promote(): Promise<void>;
}

/** Where Postgres comes in a container, its programs are out of reach, and so is a standby. */
export async function hasLocalPostgres(): Promise<boolean> {
  return (await readdir("/usr/lib/postgresql").catch(() => [])).length > 0;
}

export async function startReplication(): Promise<Replication> {
  await using opened = new AsyncDisposableStack();
  const primary = opened.use(await startLocal(settings));
  const way = opened.use(await startTcpProxy(addressOf(primary.url)));
  const standby = opened.use(await startLocal(settings));

  // The standby will have the primary's users: so the password in its URL has to be theirs.
  const { password } = new URL(standby.url);
  await withClient(primary.url, (client) => client.query(`alter user postgres password '${password}'`));
  const primaryUrl = Object.assign(new URL(primary.url), { password }).href;

  const [data] = await rows(standby.url, "show data_directory");
  const folder = String(data?.["data_directory"]);
  const bin = dirname(await readlink(`/proc/${standby.pid}/exe`));
  await standby.kill9();
  const { uid, gid } = await stat(folder);
  for (const name of await readdir(folder)) await rm(`${folder}/${name}`, { recursive: true });
  await run(
    `${bin}/pg_basebackup`,
    ["-D", folder, "-d", way.through(primaryUrl), "-X", "stream", "-c", "fast", "-R", "--no-sync"],
    { uid, gid, cwd: folder },
  );
  await standby.restart();

  async function caughtUp(): Promise<void> {
    const [row] = await rows(primaryUrl, "select pg_current_wal_insert_lsn() as lsn");
    await poll("the standby has caught up", 20_000, async () => {
      const sql = `select pg_last_wal_replay_lsn() >= '${row?.["lsn"]}' as has`;
      return (await rows(standby.url, sql))[0]?.["has"] === true ? true : undefined;
    });
  }
  const resources = opened.move();
  return {
    primaryUrl,
    standbyUrl: standby.url,
    caughtUp,
    cutOff: () => way.cut(),
    connect() {
      way.restore();
      return caughtUp();
    },
    async promote() {
      await rows(standby.url, "select pg_promote()");
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

function rows(url: string, sql: string): Promise<Record<string, unknown>[]> {
  return withClient(url, async (client) => (await client.query(sql)).rows);
}
