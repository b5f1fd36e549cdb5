import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { createDatabase } from "../support/postgres/database.ts";
import { openSite } from "../support/postgres/postgres-site.ts";
import { asSuperuser, createRole, rowsAsSuperuser } from "../support/postgres/roles.ts";
import { doEveryJob, makeEveryCall } from "../support/servers/every-call.ts";
import { runPostern, serveSettings } from "../support/servers/postern-command.ts";
import { startServer } from "../support/servers/server-process.ts";

const suffix = randomBytes(6).toString("hex");
const roles = ["server", "owner", "service"].map((name) => `postern_${name}`);
/** The statements of the manual that begin so, with names that no other test has. */
let statements: (begin: string) => string[];
let blocks: string[];

beforeAll(async () => {
  const manual = await readFile(`${import.meta.dirname}/../../docs/operate/postgres.md`, "utf8");
  blocks = [...manual.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, sql = ""]) =>
    sql
      .replaceAll(/\bpostern_(server|owner|service)\b/g, `$&_${suffix}`)
      .replaceAll(/\bdatabase postern\b/g, `database postern_${suffix}`)
      .replaceAll("'…'", `'${suffix}'`),
  );
  statements = (begin) => {
    const block = blocks.find((sql) => sql.startsWith(begin));
    if (block === undefined) throw new Error(`the manual has no SQL that begins with ${begin}`);
    return block.split(/;\n/).filter((sql) => sql.trim() !== "");
  };
});

const adminUrl = () => inject("postgresUrl");
function url(role: string): string {
  const [pathname, username] = [`/postern_${suffix}`, `${role}_${suffix}`];
  return Object.assign(new URL(adminUrl()), { pathname, username, password: suffix }).href;
}
async function run(databaseUrl: string, sqls: readonly string[]): Promise<void> {
  for (const sql of sqls) await asSuperuser(databaseUrl, sql);
}
const database = () => Object.assign(new URL(adminUrl()), { pathname: `/postern_${suffix}` }).href;

/** The database as the manual has it made, on a server that is open as Postgres 14 makes it. */
async function setUp(begin: string): Promise<AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  stack.defer(async () => {
    await run(adminUrl(), [`drop database if exists postern_${suffix} with (force)`]);
    await run(
      adminUrl(),
      roles.map((role) => `drop role if exists ${role}_${suffix}`),
    );
  });
  await run(adminUrl(), statements(begin));
  await asSuperuser(database(), "grant create on schema public to public");
  await run(database(), statements("revoke create on schema public"));
  return stack;
}

async function expectClosed(): Promise<void> {
  await using other = await createRole(adminUrl(), "other");
  const client = new Client({ connectionString: other.urlOf(database()) });
  await expect(client.connect()).rejects.toMatchObject({ code: "42501" });
}

const isOpenWarning = ({ event }: Readonly<Record<string, unknown>>) =>
  event === "database_open_to_all_roles";

describe("the set-up of the manual", { timeout: 90_000 }, () => {
  test("with one role runs a server that has nothing to warn of, and lets no other role connect", async () => {
    await using _ = await setUp("create role postern_server");
    await using server = await startServer({ databaseUrl: url("postern_server") });
    expect(server.logs.filter(isOpenWarning)).toEqual([]);
    await expectClosed();
  });

  test("with two roles does so too, with all calls and jobs", async () => {
    await using _ = await setUp("create role postern_owner");
    const settings = serveSettings(url("postern_owner"), randomBytes(32).toString("base64"));
    expect(await runPostern(["migrate"], settings)).toMatchObject({ code: 0 });
    await run(url("postern_owner"), statements("grant usage on schema"));
    await using site = await openSite(url("postern_service"), { POSTERN_MIGRATE: "off" });
    expect(site.server.logs.filter(isOpenWarning)).toEqual([]);
    await makeEveryCall(site);
    await doEveryJob(url("postern_service"));
    await expectClosed();
  });
});

describe("the manual's search for what another role has left", () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database?.drop());

  async function found(): Promise<string[][]> {
    const searches = blocks.filter((sql) => sql.startsWith("set search_path"));
    expect(searches).toHaveLength(2);
    return Promise.all(
      searches.map(async (search) => {
        const select = search.slice(search.indexOf("\n"));
        return (await rowsAsSuperuser(database.url, select)).map((row) => String(row["object"]));
      }),
    );
  }

  test("finds nothing in a sound database, and every kind of object in another", async () => {
    expect(await found()).toEqual([[], []]);
    await asSuperuser(
      database.url,
      `create function public.jsonb_build_object(text, text[]) returns jsonb language sql as $$ select '{}'::jsonb $$;
       create function public.same(text, text) returns boolean language sql as $$ select true $$;
       create operator public.= (function = public.same, leftarg = text, rightarg = text);
       create domain public.uuid as text;
       alter table postern.users add constraint planted check (email operator(public.=) email_key);
       create function public.planted() returns trigger language plpgsql as $$ begin return new; end $$;
       create trigger planted before insert on postern.audit for each row execute function public.planted();
       alter table postern.users alter column email set default public.same('', '')::text;
       create policy planted on postern.keys using (public.same('', ''));
       create rule planted as on update to postern.locks do also select public.same('', '')`,
    );
    const [named = [], used = []] = await found();
    expect(named).toEqual([
      "public.jsonb_build_object(text,text[])",
      "public.=(text,text)",
      "public.uuid",
      "public.uuid[]",
    ]);
    expect(used.sort()).toEqual([
      "constraint planted on table postern.users",
      "default value for column email of table postern.users",
      "policy planted on table postern.keys",
      "rule planted on table postern.locks",
      "trigger planted on table postern.audit",
    ]);
  });
});
