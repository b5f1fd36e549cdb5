import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { checkSchema, migrate } from "../../services/auth/src/store/postgres/migrate.ts";
import { readSchemaFiles, type SchemaFiles } from "../../services/auth/src/store/postgres/schema-files.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, withClient } from "../support/postgres/database.ts";
import { allWell, openSession, openSite, outcomesOfWell } from "../support/postgres/postgres-site.ts";
import { runPostern, serveSettings } from "../support/servers/postern-command.ts";
import { startServer } from "../support/servers/server-process.ts";

function rows(url: string, sql: string): Promise<Record<string, unknown>[]> {
  return withClient(url, async (client) => (await client.query(sql)).rows);
}

async function versions(url: string): Promise<unknown[]> {
  return (await rows(url, "select version from postern.migrations order by version")).map(
    (row) => row["version"],
  );
}

const firstOnes = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** The migrators that wait for this connection; not those that wait for their turn. */
async function blockedBy(url: string, holder: Client): Promise<Record<string, unknown>[]> {
  const { rows: holders } = await holder.query("select pg_backend_pid() as pid");
  return rows(
    url,
    `select pid from pg_stat_activity where application_name = 'postern migrate'
       and datname = current_database() and wait_event_type = 'Lock'
       and ${holders[0].pid} = any (pg_blocking_pids(pid))`,
  );
}

/** A version after this one: another table, and a function that no version had before. */
async function laterFiles(): Promise<SchemaFiles> {
  const { migrations, functions } = await readSchemaFiles();
  const version = migrations.length + 1;
  return {
    migrations: [...migrations, { version, name: "later.sql", sql: "create table postern.later (x int)" }],
    functions: [
      ...functions,
      {
        name: "added_later",
        sql: "create or replace function postern.added_later() returns int language sql as 'select 1'",
      },
    ],
  };
}

const functionNames = (url: string) =>
  rows(url, "select proname::text as name from pg_proc where pronamespace = 'postern'::regnamespace").then(
    (found) => found.map(({ name }) => name).sort(),
  );

describe("N10: a schema that is", { timeout: 90_000 }, () => {
  test("empty, because Postgres ended every run, is refused without leave to migrate, and made by servers that have it", async () => {
    await using database = await createDatabase({ migrated: false });
    await using stack = new AsyncDisposableStack();
    const holder = new Client({ connectionString: database.url });
    await holder.connect();
    stack.defer(() => holder.end());
    await holder.query("create schema postern");
    await holder.query("begin");
    // The first migration makes a table of this name, and waits for the end of this transaction.
    await holder.query("create table postern.user_addresses (x int)");

    const env = { POSTERN_MASTER_KEY: randomBytes(32).toString("base64") };
    const start = async () => stack.use(await startServer({ databaseUrl: database.url, env }));
    const starting = Promise.all([start(), start()]);
    starting.catch(() => {});
    const ended = new Set<unknown>();
    // Also the second one, which has waited for its turn.
    while (ended.size < 2) {
      const pid = await poll("a run has reached the table", 20_000, async () => {
        const [row] = await blockedBy(database.url, holder);
        return row === undefined || ended.has(row["pid"]) ? undefined : Number(row["pid"]);
      });
      await rows(database.url, `select pg_terminate_backend(${pid})`);
      ended.add(pid);
    }
    const refused = await runPostern(["serve"], {
      ...serveSettings(database.url, env.POSTERN_MASTER_KEY),
      POSTERN_MIGRATE: "off",
    });
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(/version 0\b.*`postern migrate`/);

    await holder.query("rollback");
    await starting;
    const applied = await versions(database.url);
    expect(applied).toEqual(firstOnes((await readSchemaFiles()).migrations.length));
    await using site = await openSite(database.url, env);
    expect(await outcomesOfWell(site, await openSession(site))).toEqual(allWell);
  });

  test("halfway there, because Postgres ended the run, is refused without leave to migrate, and finished by the next run", async () => {
    await using database = await createDatabase({ migrated: false });
    const files = await laterFiles();
    const { length } = files.migrations;
    await withClient(database.url, async (holder) => {
      await holder.query("create schema postern");
      await holder.query("begin");
      await holder.query("create table postern.later (x int)");
      const migrating = migrate(database.url, { files });
      migrating.catch(() => {});
      const pid = await poll("the run has reached its last migration", 20_000, async () => {
        const [row] = await blockedBy(database.url, holder);
        return row === undefined ? undefined : Number(row["pid"]);
      });
      await rows(database.url, `select pg_terminate_backend(${pid})`);
      await expect(migrating).rejects.toThrow();
      await holder.query("rollback");
    });
    expect(await versions(database.url)).toEqual(firstOnes(length - 1));
    // The functions come with the last migration.
    expect(await functionNames(database.url)).toEqual([]);
    await expect(checkSchema(database.url, { files })).rejects.toThrow(`at version ${length - 1}`);

    expect(await migrate(database.url, { files })).toBe(length);
    await checkSchema(database.url, { files });
    expect(await functionNames(database.url)).toEqual(files.functions.map(({ name }) => name).sort());
  });

  test("with another migration under a known number is refused by every command", async () => {
    await using database = await createDatabase();
    await withClient(database.url, (client) =>
      client.query("update postern.migrations set name = '0001_other.sql' where version = 1"),
    );
    const settings = serveSettings(database.url, randomBytes(32).toString("base64"));
    const off = { ...settings, POSTERN_MIGRATE: "off" };
    for (const [command, env] of [
      [["migrate"], settings],
      [["serve"], settings],
      [["serve"], off],
      [["user", "list"], settings],
    ] as const) {
      const ended = await runPostern(command, env);
      expect(ended).toMatchObject({ code: 2, stdout: "" });
      expect(ended.stderr).toMatch(/POSTERN_DATABASE_URL: .*"0001_other.sql".*create a new database/);
    }
    expect(await rows(database.url, "select name from postern.migrations")).toEqual([
      { name: "0001_other.sql" },
    ]);
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

describe("N10: the functions of the schema", () => {
  const oldNow = `create or replace function postern.now() returns timestamptz language plpgsql volatile
    set search_path = pg_catalog, pg_temp as $$ begin return 'epoch'; end $$`;
  const isOldNow = async (url: string) => {
    const [row] = await rows(url, "select postern.now() = 'epoch' as old");
    return row?.["old"];
  };

  const rights = (url: string) =>
    rows(
      url,
      `select oid::regprocedure::text as name, proacl::text as rights from pg_proc
       where pronamespace = 'postern'::regnamespace and proname <> 'added_later' order by 1`,
    );

  test("are replaced by a run that applies a migration, and by no other, and keep their grants", async () => {
    await using database = await createDatabase({ migrated: false });
    const files = await laterFiles();
    const older = await readSchemaFiles();
    await migrate(database.url, { files: older });
    await withClient(database.url, (client) => client.query(oldNow));
    await withClient(database.url, (client) =>
      client.query("grant execute on all functions in schema postern to pg_monitor"),
    );
    const before = await rights(database.url);
    await migrate(database.url, { files: older });
    expect(await isOldNow(database.url)).toBe(true);

    await migrate(database.url, { files });
    expect(await isOldNow(database.url)).toBe(false);
    expect(before.length).toBeGreaterThan(30);
    expect(await rights(database.url)).toEqual(before);
    expect(await functionNames(database.url)).toContain("added_later");
  });

  test("are left alone by an older version", async () => {
    await using database = await createDatabase({ migrated: false });
    const files = await laterFiles();
    await migrate(database.url, { files });
    await withClient(database.url, (client) => client.query(oldNow));
    expect(await migrate(database.url)).toBe(files.migrations.length);
    expect(await isOldNow(database.url)).toBe(true);
  });

  test("that fail leave the schema as it was", async () => {
    await using database = await createDatabase({ migrated: false });
    const files = await laterFiles();
    const broken = { name: "broken", sql: "create or replace function postern.broken(" };
    await migrate(database.url);
    const before = await functionNames(database.url);
    const { migrations, functions } = files;
    await expect(
      migrate(database.url, { files: { migrations, functions: [...functions, broken] } }),
    ).rejects.toThrow("syntax error");
    expect(await functionNames(database.url)).toEqual(before);
    expect(await versions(database.url)).toEqual(firstOnes(migrations.length - 1));
    expect(await rows(database.url, "select to_regclass('postern.later') as later")).toEqual([
      { later: null },
    ]);
  });
});
