import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { poll } from "../support/poll.ts";
import { freePort } from "../support/ports.ts";
import { createDatabase, withClient } from "../support/postgres/database.ts";
import { startPgBouncer } from "../support/postgres/pgbouncer.ts";
import { inTime, openSession, openSite, outcomeOf } from "../support/postgres/postgres-site.ts";
import { hasLocalPostgres } from "../support/postgres/postgres-standby.ts";
import { startTlsPostgres, type TlsPostgres, tlsRoles } from "../support/postgres/postgres-tls.ts";
import { runPostern, serveSettings, startPostern } from "../support/servers/postern-command.ts";
import { startServer } from "../support/servers/server-process.ts";

const masterKey = randomBytes(32).toString("base64");

/** The URL with other parts. */
function urlWith(
  base: string,
  parts: Partial<Record<"username" | "password" | "pathname" | "search", string>>,
) {
  return Object.assign(new URL(base), parts).href;
}

/** How a command ends that cannot use its database. */
async function refusal(args: readonly string[], url: string) {
  const { code, stdout, stderr } = await runPostern(args, serveSettings(url, masterKey));
  return { code, stdout, result: stderr.replaceAll(/^\{.*\}\n/gm, "") };
}

/** Expects no part of the URL in the output, and no warning of a library. */
function expectTold(result: string, url: string, ...untold: string[]) {
  expect(result).toContain("POSTERN_DATABASE_URL");
  expect(result).not.toContain("Warning");
  for (const text of [url, ...untold]) if (text !== "") expect(result).not.toContain(text);
}

describe("a database that another setting alone would open ends the start with exit code 2", () => {
  // It asks for SCRAM and speaks no TLS.
  const shared = () => inject("postgresUrl");

  test.each<[string, () => string, RegExp]>([
    ["no password", () => urlWith(shared(), { password: "" }), /asks for a password/],
    ["a wrong password", () => urlWith(shared(), { password: "wr0ng-one" }), /user name or the password/],
    ["an unknown role", () => urlWith(shared(), { username: "ghost_role" }), /user name or the password/],
    ["an unknown database", () => urlWith(shared(), { pathname: "/ghost_database" }), /no such database/],
    ["TLS of a server without", () => urlWith(shared(), { search: "sslmode=require" }), /speaks no TLS/],
    [
      "checked TLS of one without",
      () => urlWith(shared(), { search: "sslmode=verify-full" }),
      /speaks no TLS/,
    ],
  ])("%s", async (_, makeUrl, result) => {
    const url = makeUrl();
    const { username, password } = new URL(url);
    const ended = await Promise.all(
      [["serve"], ["migrate"], ["user", "list"]].map((args) => refusal(args, url)),
    );
    for (const one of ended) {
      expect(one).toMatchObject({ code: 2, stdout: "" });
      expect(one.result).toMatch(result);
      expectTold(one.result, url, password, "ghost_database", username === "postgres" ? "" : username);
    }
  });

  test("also through PgBouncer: a wrong password, an unknown user, an unknown database", async () => {
    await using bouncer = await startPgBouncer({ postgresUrl: shared() });
    const through = bouncer.through(shared());
    for (const url of [
      urlWith(through, { password: "wr0ng-one" }),
      urlWith(through, { username: "ghost_role" }),
      urlWith(through, { pathname: "/ghost_database" }),
    ]) {
      const ended = await refusal(["migrate"], url);
      expect(ended).toMatchObject({ code: 2, stdout: "" });
      expectTold(ended.result, url, "wr0ng-one", "ghost_role", "ghost_database");
    }
  });

  test("also with POSTERN_MIGRATE=off", async () => {
    const env = serveSettings(urlWith(shared(), { password: "" }), masterKey);
    const { code, stderr } = await runPostern(["serve"], { ...env, POSTERN_MIGRATE: "off" });
    expect(code).toBe(2);
    expect(stderr).toContain("POSTERN_DATABASE_URL");
  });
});

describe.each([["check-config"], ["serve"], ["migrate"]])("O14: postern %s", (command) => {
  test.each([
    ["sslmode=prefer", "sslmode=verify-full"],
    ["sslmode=allow", "sslmode=verify-full"],
    ["sslmode=verify-full&sslrootcert=/nope.pem", "`sslrootcert`"],
    ["sslmod=verify-full", "`sslmode`"],
  ])("refuses %s", async (search, result) => {
    const url = urlWith("postgres://u:p@127.0.0.1:1/db", { search });
    const ended = await refusal([command], url);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.result).toContain(result);
    expectTold(ended.result, url, "nope.pem");
  });
});

describe("a running server", () => {
  test("outlives a password that is changed, says so in its log, and goes on when it is put back", async () => {
    await using database = await createDatabase();
    const role = `rotated_${randomBytes(4).toString("hex")}`;
    const asOwner = (sql: string) => withClient(database.url, (client) => client.query(sql));
    await asOwner(`create role ${role} superuser login password 'the-first-one'`);
    try {
      const url = urlWith(database.url, { username: role, password: "the-first-one" });
      await using site = await openSite(url);
      const session = await openSession(site);
      const introspect = async () => {
        const { active } = await site.web.auth.introspect({ token: session.accessToken }, inTime);
        return active ? "active" : "inactive";
      };
      expect(await outcomeOf(introspect)).toBe("active");
      await asOwner(`alter role ${role} password 'the-second-one'`);
      await asOwner(`select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`);
      const result = await poll("the log says what is wrong", 20_000, async () => {
        expect(["active", "UNAVAILABLE"]).toContain(await outcomeOf(introspect));
        return site.server.logs.find(({ msg }) => String(msg).startsWith("POSTERN_DATABASE_URL: "));
      });
      expect(result).toMatchObject({ event: "store_fault", error: { code: "28P01" } });
      expect(JSON.stringify(site.server.logs)).not.toContain("the-first-one");
      expect(await site.web.auth.introspect({ token: session.accessToken }, inTime).catch(String)).toContain(
        "the database refuses Postern",
      );
      await asOwner(`alter role ${role} password 'the-first-one'`);
      await poll("it goes on", 20_000, async () =>
        (await outcomeOf(introspect)) === "active" ? true : undefined,
      );
    } finally {
      await asOwner(`drop role ${role}`);
    }
  });
});

describe("a read-only database", () => {
  const readOnly = (url: string) =>
    urlWith(url, { search: "options=-c%20default_transaction_read_only%3Don" });

  test("is reported as read-only by commands, and those that only read work", async () => {
    await using database = await createDatabase();
    const env = serveSettings(readOnly(database.url), masterKey);
    const created = await runPostern(["user", "create", "--email", "a@example.com"], env);
    expect(created).toMatchObject({ code: 1, stdout: "" });
    expect(created.stderr).toContain("the database is read-only");
    expect(await runPostern(["user", "list"], env)).toMatchObject({ code: 0 });

    await using empty = await createDatabase({ migrated: false });
    const migrated = await runPostern(["migrate"], serveSettings(readOnly(empty.url), masterKey));
    expect(migrated).toMatchObject({ code: 1, stdout: "" });
    expect(migrated.stderr).toContain("the database is read-only");
  });

  test("is waited for at the start, and the log says for what", async () => {
    await using database = await createDatabase({ migrated: false });
    const name = new URL(database.url).pathname.slice(1);
    const asOwner = (sql: string) => withClient(database.url, (client) => client.query(sql));
    await asOwner(`alter database ${name} set default_transaction_read_only = on`);
    const ops = await freePort();
    await using serving = startPostern(["serve"], serveSettings(database.url, masterKey, `127.0.0.1:${ops}`));
    await poll("it says what it waits for", 20_000, async () =>
      /"event":"waiting_for_database".*the database is read-only/.test(serving.stderr()) ? true : undefined,
    );
    expect((await fetch(`http://127.0.0.1:${ops}/readyz`)).status).toBe(503);
    await withClient(database.url, async (client) => {
      await client.query("set default_transaction_read_only = off");
      await client.query(`alter database ${name} reset default_transaction_read_only`);
    });
    await poll("it is ready", 20_000, async () =>
      (await fetch(`http://127.0.0.1:${ops}/readyz`)).status === 200 ? true : undefined,
    );
    serving.signal("SIGTERM");
    expect(await serving.ended).toMatchObject({ code: 0 });
  });

  test("is reported as read-only by calls that write, and in the log", async () => {
    await using database = await createDatabase();
    await using site = await openSite(database.url);
    const session = await openSession(site);
    const name = new URL(database.url).pathname.slice(1);
    await withClient(database.url, async (client) => {
      await client.query(`alter database ${name} set default_transaction_read_only = on`);
      await client.query("set default_transaction_read_only = off");
      await client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
      );
    });
    const refused = await poll("a call meets it", 20_000, async () => {
      const result = await site.web.auth
        .refresh({ refreshToken: session.refreshToken }, inTime)
        .then(() => "answered", String);
      expect(result).not.toBe("answered");
      return result.includes("read-only") ? result : undefined;
    });
    expect(refused).toContain("the database is read-only");
    expect(site.server.logs).toContainEqual(
      expect.objectContaining({
        event: "store_fault",
        msg: expect.stringContaining("the database is read-only"),
        error: expect.objectContaining({
          code: "25006",
          message: expect.stringContaining("read-only transaction"),
        }),
      }),
    );
  });
});

const isLocal = await hasLocalPostgres();

describe.skipIf(!isLocal)("a database that speaks TLS", { timeout: 60_000 }, () => {
  let postgres: TlsPostgres;
  beforeAll(async () => {
    postgres = await startTlsPostgres();
  }, 600_000);
  afterAll(() => postgres?.[Symbol.asyncDispose]());

  const trusted = () => `sslrootcert=${encodeURIComponent(postgres.certificate.caFile)}`;
  const as = (username: string, search = "", pathname = "/postgres") =>
    urlWith(postgres.url, { username, password: tlsRoles.password, pathname, search });

  test.each<[string, () => string, RegExp]>([
    [
      "a certificate of an unknown CA",
      () => as(tlsRoles.plain, "sslmode=verify-full"),
      /certificate.*sslrootcert/,
    ],
    ["the same with require", () => as(tlsRoles.plain, "sslmode=require"), /certificate.*sslrootcert/],
    [
      "a certificate for another host",
      () => as(tlsRoles.plain, `sslmode=verify-full&${trusted()}`).replace("127.0.0.1", "localhost"),
      /certificate.*another host/,
    ],
    ["a role that must come by TLS", () => as(tlsRoles.encrypted), /pg_hba\.conf.*sslmode=verify-full/],
    [
      "a role without an entry",
      () => as(tlsRoles.unlisted, `sslmode=verify-full&${trusted()}`),
      /pg_hba\.conf/,
    ],
    ["a role that must show a certificate", () => as(tlsRoles.certified, "sslmode=no-verify"), /sslcert/],
    ["a role that may not log in", () => as(tlsRoles.barred), /may not log in/],
    ["an unknown role", () => as(tlsRoles.nobody), /no such role/],
    ["a database that is closed to the role", () => as(tlsRoles.plain, "", "/closed"), /CONNECT/],
  ])("refuses %s, and the start ends with exit code 2", async (_, makeUrl, result) => {
    const url = makeUrl();
    const ended = await refusal(["serve"], url);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.result).toMatch(result);
    expectTold(ended.result, url, tlsRoles.password, new URL(url).username);
  });

  test.each<[string, () => string]>([
    ["verify-full with its CA", () => `sslmode=verify-full&${trusted()}`],
    ["verify-ca with its CA", () => `sslmode=verify-ca&${trusted()}`],
    ["require with its CA", () => `sslmode=require&${trusted()}`],
    ["no-verify", () => "sslmode=no-verify"],
  ])("is used by TLS, and no library warns: %s", async (_, search) => {
    const url = urlWith(postgres.url, { search: search() });
    const { code, stderr } = await runPostern(["migrate"], serveSettings(url, masterKey));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    await using server = await startServer({ databaseUrl: url, env: { POSTERN_MASTER_KEY: masterKey } });
    const used = await withClient(postgres.url, (client) =>
      client.query(
        `select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid)
         where application_name like 'postern %' and application_name <> 'postern migrate'`,
      ),
    );
    expect(used.rows).toEqual([{ ssl: true }]);
    expect(server.logs.filter(({ msg }) => String(msg).includes("Warning"))).toEqual([]);
  });
});
