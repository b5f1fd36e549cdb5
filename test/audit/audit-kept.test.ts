import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answered, refusal } from "../support/clients/answers.ts";
import { createClients } from "../support/clients/clients.ts";
import { createUser, login, PASSWORD } from "../support/people/people.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { AUDIENCE, ISSUER, startServer, TOKENS } from "../support/servers/server-process.ts";

const day = 86_400_000;
const changes = [
  "update postern.audit set caller = 'nobody'",
  "update postern.audit set detail = '{}' where event = 'login'",
  "delete from postern.audit",
  "delete from postern.audit where event = 'login_refused'",
  "truncate postern.audit",
];

let database: TestDatabase;
/** A role that does not own the schema, with the grants of the manual. */
const role = `service_${randomBytes(6).toString("hex")}`;
let serviceUrl: string;
const masterKey = randomBytes(32).toString("base64");

function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  return withClient(url, async (client) => (await client.query(sql)).rows);
}
const rowCount = async () =>
  Number((await query(database.url, "select count(*) from postern.audit"))[0]?.["count"]);
/** The code and the text of what Postgres throws. */
async function refusalOf(url: string, sql: string): Promise<string> {
  return query(url, sql).then(
    () => "done",
    (error: Error & { code?: string }) => `${error.code} ${error.message}`,
  );
}

beforeAll(async () => {
  database = await createDatabase();
  await query(database.url, `create role ${role} login password '${role}'`);
  const manual = await readFile(`${import.meta.dirname}/../../docs/operate/postgres.md`, "utf8");
  const grants = /```sql\n(grant usage on schema[\s\S]*?)```/.exec(manual)?.[1] ?? "";
  await query(database.url, grants.replaceAll("postern_service", role));
  const url = new URL(database.url);
  [url.username, url.password] = [role, role];
  serviceUrl = url.href;
});
afterAll(async () => {
  const admin = new URL(database.url);
  admin.pathname = "/postgres";
  await query(database.url, `drop owned by ${role}`);
  await database.drop();
  await query(admin.href, `drop role ${role}`);
});

describe("a role that does not own the schema", { timeout: 90_000 }, () => {
  test("runs the server and the commands", async () => {
    const env = { POSTERN_MASTER_KEY: masterKey, POSTERN_MIGRATE: "off" };
    await using server = await startServer({ databaseUrl: serviceUrl, env });
    const { admin, auth: all } = createClients({ baseUrl: server.http, credential: TOKENS.admin });
    const { auth } = createClients({ baseUrl: server.http, credential: TOKENS.web });
    const { email, id: userId } = await createUser(admin);
    const first = await login(auth, email);
    const { tokens } = await answered(() => auth.refresh({ refreshToken: first.refreshToken }));
    const wrong = { identifier: email, password: `${PASSWORD}!`, clientAddress: "192.0.2.7" };
    expect(await refusal(answered(() => auth.login(wrong)))).toBe("INVALID_CREDENTIALS");
    const calls = [
      () => auth.revoke({ target: { case: "token", value: tokens?.accessToken ?? "" } }),
      () => auth.revoke({ target: { case: "sessionId", value: first.sessionId } }),
      () => all.revoke({ target: { case: "userId", value: userId } }),
      () => all.revoke({ target: { case: "clientId", value: "web" } }),
      () => admin.setPassword({ userId, password: `${PASSWORD} again` }),
      () => admin.disableUser({ userId }),
      () => admin.enableUser({ userId }),
    ];
    for (const call of calls) await answered<unknown>(call);
    const { events } = await answered(() => admin.listAuditEvents({ userId }));
    const result = events.map(({ event }) => event);
    // A call that was retried without a verdict may be recorded twice.
    expect(result.filter((event, index) => event !== result[index - 1])).toEqual([
      ...["user_enabled", "user_disabled", "password_set", "user_revoked", "session_revoked"],
      ...["token_revoked", "login_refused", "login", "user_created"],
    ]);

    const settings = { ...env, POSTERN_DATABASE_URL: serviceUrl, POSTERN_ISSUER: ISSUER };
    const commands = [
      ["user", "create", "--email", "two@roles.test"],
      ["user", "list"],
      ["user", "set-roles", "two@roles.test", "--role", "reader"],
      ["user", "sessions", email],
      ["user", "revoke-sessions", email],
      ["audit", "--user", email],
      ["recover"],
    ];
    for (const command of commands) {
      const ended = await runPostern([...command, "--json"], { ...settings, POSTERN_AUDIENCE: AUDIENCE });
      expect(ended.code, `${command.join(" ")}: ${ended.stderr}`).toBe(0);
    }
    // Temporary faults, as on a slow machine, have no code of class 42.
    expect(server.logs.filter((line) => /"code":"42/.test(JSON.stringify(line)))).toEqual([]);
  });

  test("cleans and purges", async () => {
    await advanceClock(database.url, 31 * day);
    const before = await rowCount();
    const tables = ["sessions", "revocations", "user_addresses"];
    for (const table of tables) {
      const [row] = await query(serviceUrl, `select cleaned from postern.clean('${table}', 10, null)`);
      expect(row?.["cleaned"], table).toBeGreaterThanOrEqual(0);
    }
    expect(await query(serviceUrl, "select postern.purge_audit(postern.now(), 2) as count")).toEqual([
      { count: 2 },
    ]);
    expect(await rowCount()).toBe(before - 2);
    await advanceClock(database.url, -31 * day);
    expect(await query(serviceUrl, "select postern.purge_audit(postern.now(), 2) as count")).toEqual([
      { count: 0 },
    ]);
  });

  test("skips the purge while another replica runs it", async () => {
    await advanceClock(database.url, 31 * day);
    await withClient(database.url, async (client) => {
      await client.query("begin");
      await client.query("select postern.purge_audit(postern.now(), 1)");
      expect(await query(serviceUrl, "select postern.purge_audit(postern.now(), 1) as count")).toEqual([
        { count: null },
      ]);
      await client.query("rollback");
    });
    await advanceClock(database.url, -31 * day);
  });

  test.each([
    ...changes,
    "insert into postern.audit (id, at, event, caller, request_id) values (postern.new_id(), now(), 'login', '', '')",
    "alter table postern.audit disable trigger all",
    "drop trigger audit_row_kept on postern.audit",
    "drop table postern.audit",
    "create or replace function postern.now() returns timestamptz language sql as 'select now()'",
    "create or replace function postern.keep_audit() returns trigger language plpgsql as 'begin return old; end'",
    "set session_replication_role = replica",
  ])("may not: %s", async (sql) => {
    const before = await rowCount();
    expect(before).toBeGreaterThan(0);
    expect(await refusalOf(serviceUrl, `set postern.purging = 'on'; ${sql}`)).toMatch(/^42501 /);
    expect(await rowCount()).toBe(before);
  });

  test("finds those functions that act for the owner looking nowhere for others", async () => {
    const functions = await query(
      database.url,
      `select proname, proconfig::text as settings from pg_proc
       where pronamespace = 'postern'::regnamespace and prosecdef order by 1`,
    );
    expect(functions.map(({ proname }) => proname)).toEqual(["purge_audit", "record_audit"]);
    for (const { settings } of functions) expect(settings).toContain("search_path=pg_catalog, pg_temp");
  });

  test("is the only role besides the owner that may write to the audit", async () => {
    const outsider = `stranger_${randomBytes(6).toString("hex")}`;
    await query(database.url, `create role ${outsider}; grant usage on schema postern to ${outsider}`);
    try {
      for (const call of ["record_audit('x', '', '', null, null, null)", "purge_audit(now(), 1)"]) {
        const sql = `set role ${outsider}; select postern.${call}`;
        expect(await refusalOf(database.url, sql)).toMatch(/^42501 /);
      }
    } finally {
      await query(database.url, `drop owned by ${outsider}; drop role ${outsider}`);
    }
  });
});

describe("the owner of the table", () => {
  test.each(changes)("may not, with any setting, for 30 days: %s", async (sql) => {
    expect(await refusalOf(database.url, `set postern.purging = 'on'; ${sql}`)).toBe(
      "2F003 the audit is append only",
    );
  });
});
