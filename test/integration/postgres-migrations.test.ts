import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { migrate } from "../../services/auth/src/store/postgres/migrate.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, withClient } from "../support/postgres/database.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { AUDIENCE, ISSUER, startServer } from "../support/servers/server-process.ts";
import { allWell, openSession, openSite, outcomesOfWell } from "./postgres-site.ts";

function rows(url: string, sql: string): Promise<Record<string, unknown>[]> {
  return withClient(url, async (client) => (await client.query(sql)).rows);
}

async function versions(url: string): Promise<unknown[]> {
  return (await rows(url, "select version from postern.migrations order by version")).map(
    (row) => row["version"],
  );
}

const firstOnes = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const migrators = `from pg_stat_activity where application_name = 'postern migrate'
  and datname = current_database() and wait_event_type = 'Lock'`;

describe("N10: a schema that is", { timeout: 90_000 }, () => {
  test("halfway there, because Postgres ended the run, is refused without leave to migrate, and brought up by servers that have it", async () => {
    await using database = await createDatabase({ migrated: false });
    await using stack = new AsyncDisposableStack();
    const holder = new Client({ connectionString: database.url });
    await holder.connect();
    stack.defer(() => holder.end());
    await holder.query("create schema postern");
    await holder.query("begin");
    // The second migration makes a table of this name, and waits for this one's fate.
    await holder.query("create table postern.user_addresses (x int)");

    const env = { POSTERN_MASTER_KEY: randomBytes(32).toString("base64") };
    const start = async () => stack.use(await startServer({ databaseUrl: database.url, env }));
    const starting = Promise.all([start(), start()]);
    starting.catch(() => {});
    const { rows: holders } = await holder.query("select pg_backend_pid() as pid");
    // Not those that wait for their turn.
    const stuck = () =>
      rows(database.url, `select pid ${migrators} and ${holders[0].pid} = any (pg_blocking_pids(pid))`);
    const ended = new Set<unknown>();
    // Also the second one, which has waited for its turn.
    while (ended.size < 2) {
      const pid = await poll("a run has come to its second migration", 20_000, async () => {
        const [row] = await stuck();
        return row === undefined || ended.has(row["pid"]) ? undefined : Number(row["pid"]);
      });
      expect(await versions(database.url)).toEqual([1]);
      await rows(database.url, `select pg_terminate_backend(${pid})`);
      ended.add(pid);
    }
    const refused = await runPostern(["serve"], {
      ...env,
      POSTERN_DATABASE_URL: database.url,
      POSTERN_MIGRATE: "off",
      POSTERN_ISSUER: ISSUER,
      POSTERN_AUDIENCE: AUDIENCE,
      POSTERN_OPS_ADDR: "127.0.0.1:0",
      POSTERN_HTTP_ADDR: "127.0.0.1:0",
      POSTERN_GRPC_ADDR: "127.0.0.1:0",
    });
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(/version 1\b.*`postern migrate`/);

    await holder.query("rollback");
    await starting;
    const applied = await versions(database.url);
    expect(applied.length).toBeGreaterThan(1);
    expect(applied).toEqual(firstOnes(applied.length));
    await using site = await openSite(database.url, env);
    expect(await outcomesOfWell(site, await openSession(site))).toEqual(allWell);
  });

  test.each(["on", "off"])(
    "newer than the server is worked with and left alone (POSTERN_MIGRATE=%s)",
    async (leave) => {
      await using database = await createDatabase();
      const known = await versions(database.url);
      await withClient(database.url, async (client) => {
        // What a later version may do: add.
        await client.query("alter table postern.users add column later text not null default ''");
        await client.query("alter table postern.sessions add column later int");
        await client.query("insert into postern.migrations (version, name) values (9999, '9999_later.sql')");
      });
      await using site = await openSite(database.url, { POSTERN_MIGRATE: leave });
      expect(await outcomesOfWell(site, await openSession(site))).toEqual(allWell);
      expect(await migrate(database.url)).toBe(9999);
      expect(await versions(database.url)).toEqual([...known, 9999]);
    },
  );
});
