import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { withClient } from "../support/database.ts";
import { hasLocalPostgres } from "../support/postgres-standby.ts";
import { startTlsPostgres, type TlsPostgres, tlsRoles } from "../support/postgres-tls.ts";
import { startServer } from "../support/server-process.ts";
import { runPostern, serveSettings } from "./postern-command.ts";

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
  return { code, stdout, told: stderr.replaceAll(/^\{.*\}\n/gm, "") };
}

/** No part of the URL that somebody may have written in the wrong place, and no warning of a library. */
function expectTold(told: string, url: string, ...untold: string[]) {
  expect(told).toContain("POSTERN_DATABASE_URL");
  expect(told).not.toContain("Warning");
  for (const text of [url, ...untold]) if (text !== "") expect(told).not.toContain(text);
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
  ])("%s", async (_, makeUrl, told) => {
    const url = makeUrl();
    const { username, password } = new URL(url);
    const ended = await Promise.all(
      [["serve"], ["migrate"], ["user", "list"]].map((args) => refusal(args, url)),
    );
    for (const one of ended) {
      expect(one).toMatchObject({ code: 2, stdout: "" });
      expect(one.told).toMatch(told);
      expectTold(one.told, url, password, "ghost_database", username === "postgres" ? "" : username);
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
  ])("refuses %s", async (search, told) => {
    const url = urlWith("postgres://u:p@127.0.0.1:1/db", { search });
    const ended = await refusal([command], url);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.told).toContain(told);
    expectTold(ended.told, url, "nope.pem");
  });
});

const isLocal = await hasLocalPostgres();

describe.skipIf(!isLocal)("a database that speaks TLS", { timeout: 60_000 }, () => {
  let postgres: TlsPostgres;
  beforeAll(async () => {
    postgres = await startTlsPostgres();
  }, 60_000);
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
    ["a role that there is not", () => as(tlsRoles.nobody), /no such role/],
    ["a database that is closed to the role", () => as(tlsRoles.plain, "", "/closed"), /CONNECT/],
  ])("refuses %s, and the start ends with exit code 2", async (_, makeUrl, told) => {
    const url = makeUrl();
    const ended = await refusal(["serve"], url);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.told).toMatch(told);
    expectTold(ended.told, url, tlsRoles.password, new URL(url).username);
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
