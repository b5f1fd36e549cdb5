import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../services/auth/src/store/postgres/migrate.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { poll } from "../support/poll.ts";
import { asSuperuser, createRole, rowsAsSuperuser, type TestRole } from "../support/roles.ts";
import { startServer } from "../support/server-process.ts";
import { doEveryJob } from "./every-call.ts";
import { runPostern, serveSettings, startPostern } from "./postern-command.ts";

const newMasterKey = () => randomBytes(32).toString("base64");

describe("the functions of the schema", () => {
  /** Those that run with the `search_path` of their caller, or take a lock that every role can hold. */
  const unsafe = `select oid::regprocedure::text as function from pg_proc
    where pronamespace = 'postern'::regnamespace
      and (not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}' or prosrc ~ 'advisory')
    order by 1`;

  test("each have a `search_path` of their own, and none takes an advisory lock", async () => {
    await using database = await createDatabase();
    const [all] = await rowsAsSuperuser(
      database.url,
      "select count(*)::int as count from pg_proc where pronamespace = 'postern'::regnamespace",
    );
    expect(all?.["count"]).toBeGreaterThan(30);
    expect(await rowsAsSuperuser(database.url, unsafe)).toEqual([]);
    await asSuperuser(
      database.url,
      `create function postern.with_none() returns int language sql as 'select 1';
       create function postern.with_another() returns int language sql set search_path = public as 'select 1';
       create function postern.with_lock() returns void language sql set search_path = pg_catalog, pg_temp
         as 'select pg_advisory_xact_lock(1)'`,
    );
    expect((await rowsAsSuperuser(database.url, unsafe)).map((row) => row["function"])).toEqual([
      "postern.with_another()",
      "postern.with_lock()",
      "postern.with_none()",
    ]);
  });
});

describe("locks that another role holds", { timeout: 90_000 }, () => {
  let database: TestDatabase;
  let other: TestRole;
  let holder: Client;

  beforeAll(async () => {
    database = await createDatabase({ migrated: false });
    other = await createRole(database.url, "other");
    holder = new Client({ connectionString: other.urlOf(database.url) });
    await holder.connect();
    // Those of the first versions, and all that two of its transactions could hold.
    for (const name of ["migrations", "first_admin", "keys", "cleaning", "purge_audit"])
      await holder.query("select pg_advisory_lock(hashtext($1))", [`postern.${name}`]);
  });
  afterAll(async () => {
    await holder?.end();
    await other?.[Symbol.asyncDispose]();
    await database?.drop();
  });

  test("keep no server from its first start, no key from being tainted, and no job from its work", async () => {
    const env = {
      POSTERN_MASTER_KEY: newMasterKey(),
      POSTERN_BOOTSTRAP_EMAIL: "first@people.test",
      POSTERN_BOOTSTRAP_PASSWORD: "a horse that nobody has counted 71",
    };
    await using _ = await startServer({ databaseUrl: database.url, env });
    const settings = serveSettings(database.url, env.POSTERN_MASTER_KEY);
    for (const command of ["prepare", "taint"]) {
      const ended = await runPostern(["key", command, "--purpose", "signing"], settings);
      expect(ended).toMatchObject({ code: 0 });
    }
    expect(await runPostern(["migrate"], settings)).toMatchObject({ code: 0 });
    await doEveryJob(database.url);
  });
});

describe("a migrator that waits for a lock", { timeout: 60_000 }, () => {
  const locks = [
    ["another connection is making the schema", "create schema postern", false],
    ["another connection holds the table of versions", "lock table postern.migrations", true],
  ] as const;

  test.each(locks)("says for whom, as a server and as a command, where %s", async (_, sql, isMigrated) => {
    await using database = await createDatabase({ migrated: false });
    if (isMigrated) await migrate(database.url);
    await using stack = new AsyncDisposableStack();
    const holder = new Client({ connectionString: database.url, application_name: "the holder" });
    await holder.connect();
    stack.defer(() => holder.end());
    await holder.query("begin");
    await holder.query(sql);
    const { rows } = await holder.query("select pg_backend_pid() as pid, current_user::text as role");
    const [{ pid, role }] = rows as [{ pid: number; role: string }];

    const settings = serveSettings(database.url, newMasterKey());
    const command = stack.use(startPostern(["migrate"], settings));
    const server = stack.use(startPostern(["serve"], settings));
    await poll("both have said for whom they wait", 30_000, async () =>
      server.stderr().includes("waiting_for_lock") && command.stderr().includes("waiting for locks")
        ? true
        : undefined,
    );
    expect(command.stderr()).toContain(`process ${pid} (role "${role}", application "the holder")`);
    const line = server
      .stderr()
      .split("\n")
      .find((text) => text.includes("waiting_for_lock"));
    expect(JSON.parse(line ?? "")).toMatchObject({
      level: 40,
      event: "waiting_for_lock",
      held_by: expect.arrayContaining([{ pid, role, application: "the holder" }]),
    });
    await holder.query("rollback");
    expect(await command.ended).toMatchObject({ code: 0 });
    await poll("the server is ready", 30_000, async () =>
      server.stderr().includes('"event":"ready"') ? true : undefined,
    );
  });
});

describe("a schema", { timeout: 60_000 }, () => {
  test("is migrated by a role that owns it and may make none in the database", async () => {
    await using database = await createDatabase({ migrated: false });
    await using owner = await createRole(database.url, "owner");
    await asSuperuser(database.url, `create schema postern authorization ${owner.name}`);
    const settings = serveSettings(owner.urlOf(database.url), newMasterKey());
    const ended = await runPostern(["migrate", "--json"], settings);
    expect(ended).toMatchObject({ code: 0 });
    expect(await runPostern(["migrate", "--json"], settings)).toEqual(ended);
  });

  test("that another role has made is not used, since its owner can replace what is in it", async () => {
    await using database = await createDatabase({ migrated: false });
    await using owner = await createRole(database.url, "owner");
    await using other = await createRole(database.url, "other");
    await asSuperuser(
      database.url,
      `create schema postern authorization ${other.name}; grant all on schema postern to public`,
    );
    const settings = serveSettings(owner.urlOf(database.url), newMasterKey());
    const migrated = await runPostern(["migrate"], settings);
    expect(migrated).toMatchObject({ code: 1, stdout: "" });
    expect(migrated.stderr).toContain("belongs to another role");
    const served = await runPostern(["serve"], settings);
    expect(served).toMatchObject({ code: 2, stdout: "" });
    expect(served.stderr).toContain("belongs to another role");
    const tables = "select from pg_class where relnamespace = 'postern'::regnamespace";
    expect(await rowsAsSuperuser(database.url, tables)).toEqual([]);
  });
});

describe("a server in a database", { timeout: 60_000 }, () => {
  const warnings = (logs: readonly Readonly<Record<string, unknown>>[]) =>
    logs.filter(({ event }) => event === "database_open_to_all_roles");

  test("where every role may connect and make objects warns, and says what to run; after that it does not", async () => {
    await using database = await createDatabase();
    await asSuperuser(database.url, "grant create on schema public to public");
    const run: string[] = [];
    const env = { POSTERN_MASTER_KEY: newMasterKey() };
    {
      await using server = await startServer({ databaseUrl: database.url, env });
      const [warning, ...more] = warnings(server.logs);
      expect(more).toEqual([]);
      expect(warning).toMatchObject({ level: 40, msg: expect.stringContaining("docs/postgres.md") });
      run.push(...((warning?.["run"] as string[] | undefined) ?? []));
    }
    expect(run).toHaveLength(2);
    for (const sql of run) await asSuperuser(database.url, sql);
    await using server = await startServer({ databaseUrl: database.url, env });
    expect(warnings(server.logs)).toEqual([]);
  });
});
