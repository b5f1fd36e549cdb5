import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { answered } from "../support/clients/answers.ts";
import { createUser, login } from "../support/people/people.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { startPgBouncer } from "../support/postgres/pgbouncer.ts";
import { inTime, openSession, openSite } from "../support/postgres/postgres-site.ts";
import { asSuperuser, createRole, type TestRole } from "../support/postgres/roles.ts";
import { doEveryJob, makeEveryCall } from "../support/servers/every-call.ts";
import { runPostern, serveSettings } from "../support/servers/postern-command.ts";

const masterKey = randomBytes(32).toString("base64");

let database: TestDatabase;
let owner: TestRole;

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  owner = await createRole(database.url, "owner");
  const name = new URL(database.url).pathname.slice(1);
  await asSuperuser(database.url, `grant create on database ${name} to ${owner.name}`);
});
afterAll(async () => {
  await owner?.[Symbol.asyncDispose]();
  await database?.drop();
});

async function setDefaults(defaults: Readonly<Record<string, string>>): Promise<void> {
  const all = Object.entries(defaults).map(
    ([name, value]) => `alter role ${owner.name} set ${name} = ${value};`,
  );
  await asSuperuser(database.url, `alter role ${owner.name} reset all; ${all.join("\n")}`);
}

test.each(["german", "'sql, dmy'"])(
  "a role whose datestyle is %s migrates, serves logins and reads the audit",
  { timeout: 60_000 },
  async (datestyle) => {
    await setDefaults({ datestyle });
    await using site = await openSite(owner.urlOf(database.url), { POSTERN_MASTER_KEY: masterKey });
    await makeEveryCall(site);
  },
);

test.each(["serializable", "'repeatable read'"])(
  "with %s as the role's isolation level, concurrent revocations of one user's sessions all succeed",
  { timeout: 60_000 },
  async (level) => {
    await setDefaults({ default_transaction_isolation: level });
    await using site = await openSite(owner.urlOf(database.url), { POSTERN_MASTER_KEY: masterKey });
    const { email } = await createUser(site.admin.admin);
    const sessions = [];
    for (let i = 0; i < 24; i++) sessions.push(await login(site.web.auth, email));
    const conflicts = () => site.server.logs.filter((line) => JSON.stringify(line).includes('"40001"'));
    await Promise.all(
      sessions.map(({ sessionId: value }) =>
        answered(() => site.web.auth.revoke({ target: { case: "sessionId", value } }, inTime)),
      ),
    );
    expect(conflicts()).toEqual([]);
  },
);

/** Settings that an operator may have made for other purposes, all together. */
const odd = {
  array_nulls: "off",
  backslash_quote: "off",
  bytea_output: "escape",
  check_function_bodies: "off",
  client_encoding: "latin1",
  client_min_messages: "debug1",
  datestyle: "'sql, dmy'",
  default_transaction_deferrable: "on",
  default_transaction_isolation: "serializable",
  extra_float_digits: "'-15'",
  idle_in_transaction_session_timeout: "'20s'",
  intervalstyle: "sql_standard",
  lock_timeout: "'10s'",
  "plpgsql.extra_errors": "'all'",
  "plpgsql.extra_warnings": "'all'",
  quote_all_identifiers: "on",
  row_security: "off",
  search_path: '"$user", public, pg_catalog',
  standard_conforming_strings: "off",
  statement_timeout: "'20s'",
  synchronous_commit: "off",
  timezone: "'America/St_Johns'",
  transform_null_equals: "on",
  xmloption: "document",
};

describe.each(["directly", "through PgBouncer in transaction mode"])(
  "a role with unusual defaults, %s,",
  (way) => {
    test("serves every call and job, also after a recovery", { timeout: 120_000 }, async () => {
      await setDefaults(odd);
      await using stack = new AsyncDisposableStack();
      let url = owner.urlOf(database.url);
      if (way !== "directly") {
        const bouncer = await startPgBouncer({ postgresUrl: inject("postgresUrl"), otherUrls: [url] });
        stack.defer(() => bouncer.stop());
        url = bouncer.through(url);
      }
      const masterKey = randomBytes(32).toString("base64");
      // The keys of earlier tests are sealed under another master key.
      await asSuperuser(database.url, "drop schema if exists postern cascade");
      const site = stack.use(await openSite(url, { POSTERN_MASTER_KEY: masterKey }));
      await makeEveryCall(site);
      await doEveryJob(url);
      expect(await runPostern(["recover"], serveSettings(url, masterKey))).toMatchObject({ code: 0 });
      // The log's number is now a time in microseconds, with 16 digits.
      const { accessToken, userId } = await openSession(site);
      const active = async () =>
        (await answered(() => site.web.auth.introspect({ token: accessToken }))).active;
      expect(await active()).toBe(true);
      await answered(() => site.admin.auth.revoke({ target: { case: "userId", value: userId } }, inTime));
      expect(await active()).toBe(false);
      const { rows } = await withClient(database.url, (client) =>
        client.query("select seq > 1e15 as recovered from postern.revocation_head"),
      );
      expect(rows).toEqual([{ recovered: true }]);
    });
  },
);
