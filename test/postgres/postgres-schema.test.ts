import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../services/auth/src/store/postgres/migrate.ts";
import { readSchemaFiles } from "../../services/auth/src/store/postgres/schema-files.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { asSuperuser, createRole, rowsAsSuperuser, type TestRole } from "../support/postgres/roles.ts";
import { doEveryJob } from "../support/servers/every-call.ts";
import { runPostern, serveSettings, startPostern } from "../support/servers/postern-command.ts";
import { startServer } from "../support/servers/server-process.ts";

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

describe("the files of functions", () => {
  const definition = /^create or replace function postern\.(\w+)\(/gm;

  test("have one function each, of the file's name, and make all functions of the schema", async () => {
    const { functions } = await readSchemaFiles();
    const defined = functions.map(({ sql }) => [...sql.matchAll(definition)].map(([, name]) => name));
    expect(defined).toEqual(functions.map(({ name }) => [name]));
    await using database = await createDatabase();
    const found = await rowsAsSuperuser(
      database.url,
      "select proname::text as name, pronargs as parameters from pg_proc where pronamespace = 'postern'::regnamespace",
    );
    expect(found.map(({ name }) => name).sort()).toEqual(functions.map(({ name }) => name).sort());
    // More are confused too easily: they belong into one JSON object.
    expect(found.filter(({ parameters }) => Number(parameters) > 8)).toEqual([]);
  });

  test("can run again on the schema that they are part of, with their bodies checked", async () => {
    const { functions } = await readSchemaFiles();
    await using database = await createDatabase();
    const broken = `create or replace function postern.broken() returns int language sql
      as 'select x from postern.no_such_table'`;
    await withClient(database.url, async (client) => {
      await client.query("begin; set local check_function_bodies = on");
      for (const { name, sql } of functions) await expect(client.query(sql), name).resolves.toBeDefined();
      await expect(client.query(broken)).rejects.toThrow("no_such_table");
      await client.query("rollback");
    });
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

async function asRole(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

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

  test("is used by a member of its owner that acts as the owner", async () => {
    await using database = await createDatabase({ migrated: false });
    await using owner = await createRole(database.url, "owner");
    await using member = await createRole(database.url, "member");
    await asSuperuser(
      database.url,
      `create schema postern authorization ${owner.name}; grant ${owner.name} to ${member.name}`,
    );
    const url = new URL(member.urlOf(database.url));
    url.searchParams.set("options", `-c role=${owner.name}`);
    expect(await runPostern(["migrate"], serveSettings(url.href, newMasterKey()))).toMatchObject({ code: 0 });
  });

  /** Records the role that runs it. */
  const trap = `create function postern.trap() returns int language plpgsql as $$ begin
    insert into public.runs values (current_user); return 1000; end $$`;
  const prepared = [
    ["that is empty", []],
    [
      "with a view as its table of versions",
      [
        trap,
        "create view postern.migrations as select postern.trap() as version, ''::text as name",
        "grant all on all tables in schema postern to public",
      ],
    ],
    [
      "with a table of versions that is empty",
      [
        "create table postern.migrations (version int primary key, name text not null, applied_at timestamptz not null default now())",
        "grant all on all tables in schema postern to public",
      ],
    ],
  ] as const;

  test.each(prepared)(
    "of another role %s is refused, even by a member of that role",
    async (_, statements) => {
      await using database = await createDatabase({ migrated: false });
      await using owner = await createRole(database.url, "owner");
      await using other = await createRole(database.url, "other");
      await asSuperuser(
        database.url,
        `create table public.runs (role text); grant insert on public.runs to public;
       create schema postern authorization ${other.name}; grant all on schema postern to public;
       grant create on database ${database.name} to ${other.name};
       grant ${other.name} to ${owner.name}`,
      );
      for (const sql of statements) await asRole(other.urlOf(database.url), sql);
      const relations =
        "select relname from pg_class where relnamespace = 'postern'::regnamespace order by 1";
      const before = await rowsAsSuperuser(database.url, relations);
      const settings = serveSettings(owner.urlOf(database.url), newMasterKey());
      const off = { ...settings, POSTERN_MIGRATE: "off" };
      for (const [command, env] of [
        [["migrate"], settings],
        [["serve"], settings],
        [["serve"], off],
        [["key", "list"], settings],
      ] as const) {
        const ended = await runPostern(command, env);
        expect(ended).toMatchObject({ code: 2, stdout: "" });
        expect(ended.stderr).toContain(
          `POSTERN_DATABASE_URL: the schema \`postern\` belongs to another role, "${other.name}"`,
        );
      }
      expect(await rowsAsSuperuser(database.url, relations)).toEqual(before);
      expect(await rowsAsSuperuser(database.url, "select role from public.runs")).toEqual([]);
    },
  );

  test("that another role made whole, at the version of today, is refused", async () => {
    await using database = await createDatabase({ migrated: false });
    await using owner = await createRole(database.url, "owner");
    await using other = await createRole(database.url, "other");
    await asSuperuser(database.url, `grant create on database ${database.name} to ${other.name}`);
    await migrate(other.urlOf(database.url));
    await asRole(
      other.urlOf(database.url),
      `grant all on schema postern to public;
       grant all on all tables in schema postern to public`,
    );
    const settings = serveSettings(owner.urlOf(database.url), newMasterKey());
    for (const env of [settings, { ...settings, POSTERN_MIGRATE: "off" }]) {
      const ended = await runPostern(["serve"], env);
      expect(ended).toMatchObject({ code: 2, stdout: "" });
      expect(ended.stderr).toContain("belongs to another role");
    }
    // Given to the right role, its functions and tables are still those of the other.
    await asSuperuser(database.url, `alter schema postern owner to ${owner.name}`);
    const ended = await runPostern(["serve"], settings);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain(`has objects of the role "${other.name}"`);
  });

  test("of a role that may create schemas serves no other role, until that right or the database is settled", async () => {
    await using database = await createDatabase({ migrated: false });
    await using owner = await createRole(database.url, "owner");
    await using service = await createRole(database.url, "service");
    await asSuperuser(database.url, `grant create on database ${database.name} to ${owner.name}`);
    await migrate(owner.urlOf(database.url));
    await asRole(
      owner.urlOf(database.url),
      `grant usage on schema postern to ${service.name};
       grant all on all tables in schema postern to ${service.name};
       grant execute on all functions in schema postern to ${service.name}`,
    );
    const settings = serveSettings(service.urlOf(database.url), newMasterKey());
    const list = () => runPostern(["user", "list"], settings);
    expect(await list()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("revoke CREATE on the database"),
    });
    await asSuperuser(database.url, `revoke create on database ${database.name} from ${owner.name}`);
    expect(await list()).toMatchObject({ code: 0 });
    await asSuperuser(database.url, `alter database ${database.name} owner to ${owner.name}`);
    expect(await list()).toMatchObject({ code: 0 });
    await asSuperuser(database.url, `alter database ${database.name} owner to current_user`);
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
      expect(warning).toMatchObject({ level: 40, msg: expect.stringContaining("docs/operate/postgres.md") });
      run.push(...((warning?.["run"] as string[] | undefined) ?? []));
    }
    expect(run).toHaveLength(2);
    for (const sql of run) await asSuperuser(database.url, sql);
    await using server = await startServer({ databaseUrl: database.url, env });
    expect(warnings(server.logs)).toEqual([]);
  });
});
