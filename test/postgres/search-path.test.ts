import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { PASSWORD } from "../support/people/people.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type PgBouncer, startPgBouncer } from "../support/postgres/pgbouncer.ts";
import { openSession, openSite } from "../support/postgres/postgres-site.ts";
import { asSuperuser, createRole, rowsAsSuperuser, type TestRole } from "../support/postgres/roles.ts";
import { doEveryJob, makeEveryCall, runEveryCommand } from "../support/servers/every-call.ts";
import { serveSettings } from "../support/servers/postern-command.ts";
import { hasRun, plantShadows } from "./shadow-objects.ts";

describe.each(["directly", "through PgBouncer in transaction mode"])(
  "objects of another role, in a database reached %s,",
  (way) => {
    let database: TestDatabase;
    let owner: TestRole;
    let attacker: TestRole;
    let bouncer: PgBouncer | undefined;

    beforeAll(async () => {
      database = await createDatabase({ migrated: false });
      owner = await createRole(database.url, "owner");
      attacker = await createRole(database.url, "attacker");
      const name = new URL(database.url).pathname.slice(1);
      await asSuperuser(
        database.url,
        `grant create on database ${name} to ${owner.name};
         grant create, usage on schema public to public;
         create schema ${owner.name} authorization ${attacker.name};
         grant usage on schema ${owner.name} to public;
         alter database ${name} set search_path = "$user", public, pg_catalog`,
      );
      if (way !== "directly")
        bouncer = await startPgBouncer({
          postgresUrl: inject("postgresUrl"),
          otherUrls: [owner.urlOf(database.url)],
        });
    });
    afterAll(async () => {
      await bouncer?.stop();
      for (const role of [attacker, owner]) await role?.[Symbol.asyncDispose]();
      await database?.drop();
    });

    test("never run in place of those of Postgres or Postern, whether they were created before the schema or after it", {
      timeout: 240_000,
    }, async () => {
      const url = owner.urlOf(bouncer?.through(database.url) ?? database.url);
      const plant = () =>
        plantShadows({
          databaseUrl: database.url,
          attackerUrl: attacker.urlOf(database.url),
          schemas: ["public", owner.name],
        });
      expect(await plant()).toBeGreaterThan(1_000);
      const env = {
        ...serveSettings(url, randomBytes(32).toString("base64")),
        POSTERN_BOOTSTRAP_EMAIL: "first@people.test",
        POSTERN_BOOTSTRAP_PASSWORD: PASSWORD,
      };
      await using site = await openSite(url, env);
      await plant();
      await makeEveryCall(site);
      await runEveryCommand(serveSettings(url, env.POSTERN_MASTER_KEY));
      await doEveryJob(url);
      expect(await hasRun(database.url)).toBe(false);
    });

    test("are not used by the schema's expressions, constraints and indexes", async () => {
      const foreign = await rowsAsSuperuser(database.url, foreignDependencies);
      expect(foreign).toEqual([]);
    });
  },
);

/** Objects of the schema `postern` that use an object outside Postgres and Postern. */
const foreignDependencies = `
  select pg_describe_object(classid, objid, objsubid) as object, pg_describe_object(refclassid, refobjid, 0) as uses
  from pg_depend
  where (pg_identify_object(classid, objid, objsubid)).schema = 'postern'
    and refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_class'::regclass)
    and (pg_identify_object(refclassid, refobjid, 0)).schema not in ('postern', 'pg_catalog', 'pg_toast')`;

test("a function that another role creates in `public` after the schema never runs at a Login", async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await createDatabase());
  const attacker = stack.use(await createRole(database.url, "attacker"));
  await asSuperuser(
    database.url,
    `grant create, usage on schema public to public;
     create sequence public.trap; grant usage on sequence public.trap to public`,
  );
  await asSuperuser(
    attacker.urlOf(database.url),
    `create function public.jsonb_build_object(text, text[]) returns jsonb language plpgsql as $$
     begin perform pg_catalog.nextval('public.trap'::pg_catalog.regclass); return '{}'::pg_catalog.jsonb; end $$`,
  );
  await using site = await openSite(database.url);
  await openSession(site);
  expect(await hasRun(database.url)).toBe(false);
});
