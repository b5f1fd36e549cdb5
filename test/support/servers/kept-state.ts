import { Client } from "pg";
import { inject } from "vitest";
import { poll } from "../poll.ts";
import type { Replica, TwoServers } from "./two-servers.ts";

/** Runs `work` on a database without connections. The servers' connections break, as in a restore. */
async function withdrawn(
  two: TwoServers,
  work: (admin: Client, name: string) => Promise<void>,
): Promise<void> {
  const name = new URL(two.databaseUrl).pathname.slice(1);
  await using admin = await connect();
  await admin.client.query(`alter database ${name} with allow_connections false`);
  await poll(`no one is connected to ${name}`, 20_000, async () => {
    const { rowCount } = await admin.client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
      [name],
    );
    return rowCount === 0 ? true : undefined;
  });
  await work(admin.client, name);
  await admin.client.query(`alter database ${name} with allow_connections true`);
}

async function connect() {
  const client = new Client({ connectionString: inject("postgresUrl") });
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

/** Restores the database, while the servers run, to its state at this call. */
export async function keepState(two: TwoServers): Promise<AsyncDisposable & { putBack(): Promise<void> }> {
  let copy = "";
  await withdrawn(two, async (admin, name) => {
    copy = `${name}_kept`;
    await admin.query(`create database ${copy} template ${name}`);
  });
  return {
    putBack: () =>
      withdrawn(two, async (admin, name) => {
        await admin.query(`drop database ${name}`);
        await admin.query(`create database ${name} template ${copy}`);
      }),
    async [Symbol.asyncDispose]() {
      await using admin = await connect();
      await admin.client.query(`drop database if exists ${copy} with (force)`);
    },
  };
}

/** Calls until the servers have noticed that their connections are gone. */
export async function reconnected({ server, web }: Replica): Promise<void> {
  await poll("the server reaches its database again", 20_000, async () => {
    const ready = await fetch(`${server.ops}/readyz`);
    await web.listSessions({ userId: `usr_${"0".repeat(26)}` });
    return ready.ok ? true : undefined;
  });
}
