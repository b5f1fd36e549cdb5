import { execFile } from "node:child_process";
import { chown, mkdir, stat, symlink } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import { answered } from "../support/clients/answers.ts";
import { canMount, mountSmallDisk } from "../support/faults/small-disk.ts";
import { poll } from "../support/poll.ts";
import { withClient } from "../support/postgres/database.ts";
import { startLocal } from "../support/postgres/postgres-local.ts";
import {
  allOf,
  type Call,
  callsFor,
  inTime,
  namesOf,
  openSession,
  openSite,
  outcomeOf,
  outcomesOf,
  patient,
  type Session,
  type Site,
} from "../support/postgres/postgres-site.ts";
import { hasLocalPostgres } from "../support/postgres/postgres-standby.ts";

const isPossible = (await hasLocalPostgres()) && (await canMount());
const why = isPossible ? "" : " (skipped: needs a Postgres of this machine, and root to mount a small disk)";
const settings = { fsync: "off", autovacuum: "off", min_wal_size: "32MB", max_wal_size: "64MB" };
const introspections = ["Introspect of an access token", "Introspect of a refresh token"] as const;
const env = { POSTERN_REFRESH_GRACE: "0s", POSTERN_ACCESS_TTL: "1h" };

/** Calls until the disk is full; a call that finds room is one carried out. @returns how many those were */
async function untilRefused(call: Call): Promise<number> {
  for (let done = 0; done < 1_000; done++) {
    const outcome = await outcomeOf(call);
    if (outcome === "UNAVAILABLE") return done;
    expect(outcome).toBe("answered");
  }
  throw new Error("the disk does not get full");
}

/** Refreshes with what the last refresh has answered. */
function refreshing({ web }: Site, session: Session) {
  let { refreshToken } = session;
  return async () => {
    const { tokens } = await web.auth.refresh({ refreshToken }, inTime);
    refreshToken = tokens?.refreshToken ?? "";
  };
}

async function jwksStatus({ server }: Site): Promise<number> {
  return (await fetch(`${server.http}/.well-known/jwks.json`)).status;
}

test.skipIf(!isPossible)(
  `N08: with no room for its tables, writes are UNAVAILABLE, reads go on, and nothing is lost${why}`,
  { timeout: 90_000 },
  async () => {
    await using disk = await mountSmallDisk(32);
    await using postgres = await startLocal(settings);
    const folder = `${disk.path}/tables`;
    await mkdir(folder);
    const [data] = await rows(postgres.url, "show data_directory");
    const { uid, gid } = await stat(String(data?.["data_directory"]));
    await chown(folder, uid, gid);
    await rows(postgres.url, `create tablespace small location '${folder}'`);
    await rows(postgres.url, "create database small tablespace small");
    const databaseUrl = Object.assign(new URL(postgres.url), { pathname: "/small" }).href;

    await using site = await openSite(databaseUrl, env);
    const [kept, ended] = [await openSession(site), await openSession(site)];
    await answered(() => site.web.auth.revoke({ target: { case: "sessionId", value: ended.sessionId } }));
    const refresh = refreshing(site, kept);
    const revoke = () => site.admin.auth.revoke({ target: { case: "clientId", value: "unused" } }, inTime);
    const { Login: login } = callsFor(site, kept);
    const before = await stateOf(databaseUrl, kept);

    const done = await withClient(databaseUrl, async (reader) => {
      // What this old reader might still look at is not cleared away, so no write finds room in an old page.
      await reader.query("begin isolation level repeatable read");
      await reader.query("select from postern.sessions");
      await disk.fill();
      const refreshes = await untilRefused(refresh);
      const revocations = await untilRefused(revoke);
      const logins = await untilRefused(login);
      const calls = callsFor(site, kept);
      expect(await outcomesOf(calls, ["Introspect of an access token", "Login by a wrong password"])).toEqual(
        {
          "Introspect of an access token": "active",
          "Login by a wrong password": "INVALID_CREDENTIALS",
        },
      );
      const { "Introspect of an access token": introspect } = callsFor(site, ended);
      expect(await outcomeOf(introspect)).toBe("inactive");
      expect(await jwksStatus(site)).toBe(200);
      return { refreshes, revocations, logins };
    });
    await disk.free();

    // What was refused has not been done, and what was answered has.
    const after = await stateOf(databaseUrl, kept);
    expect(after).toEqual({
      generation: before.generation + done.refreshes,
      revoked: before.revoked + done.revocations,
      logins: before.logins + done.logins,
    });
    expect(await outcomeOf(() => answered(refresh))).toBe("answered");
    expect(await outcomeOf(() => answered(revoke))).toBe("answered");
    await expectAllWell(site, ended);
  },
);

test.skipIf(!isPossible)(
  `N08: with no room for its log, Postgres is lost: all is UNAVAILABLE, and nothing is lost${why}`,
  { timeout: 90_000 },
  async () => {
    await using disk = await mountSmallDisk(96);
    await using postgres = await startLocal(settings);
    const [data] = await rows(postgres.url, "show data_directory");
    const folder = String(data?.["data_directory"]);
    await postgres.kill9();
    await promisify(execFile)("mv", [`${folder}/pg_wal`, disk.path]);
    await symlink(`${disk.path}/pg_wal`, `${folder}/pg_wal`);
    await postgres.restart();

    await using site = await openSite(postgres.url, env);
    const [kept, ended] = [await openSession(site), await openSession(site)];
    const refresh = refreshing(site, kept);
    await refresh();
    await site.web.auth.revoke({ target: { case: "sessionId", value: ended.sessionId } }, patient);
    const before = await stateOf(postgres.url, kept);
    await disk.fill();
    await poll("Postgres has ended", 30_000, async () => {
      // Each begins another file of the log, until there is no room for one.
      await rows(postgres.url, "select pg_switch_wal() from pg_logical_emit_message(false, '', '')").catch(
        () => {},
      );
      return postgres.pid === undefined ? true : undefined;
    });
    const calls = callsFor(site, kept);
    expect(await outcomesOf(calls)).toEqual(allOf(namesOf(calls), "UNAVAILABLE"));
    expect(await jwksStatus(site)).toBe(200);

    await disk.free();
    await postgres.restart();
    expect(await outcomeOf(() => answered(refresh))).toBe("answered");
    expect(await stateOf(postgres.url, kept)).toEqual({ ...before, generation: before.generation + 1 });
    await expectAllWell(site, ended);
  },
);

/** @param ended a session that was revoked before the disk was full */
async function expectAllWell(site: Site, ended: Session): Promise<void> {
  const { "Introspect of an access token": introspect } = callsFor(site, ended);
  expect(await outcomeOf(() => answered(introspect))).toBe("inactive");
  const fresh = await openSession(site);
  expect(await outcomesOf(callsFor(site, fresh), introspections)).toEqual(allOf(introspections, "active"));
}

async function stateOf(databaseUrl: string, { userId, sessionId }: Session) {
  const [row] = await rows(
    databaseUrl,
    `select s.generation, (select count(*)::int from postern.revocations) as revoked,
       u.login_count::int as logins
     from postern.users u join postern.sessions s on s.user_id = u.id where u.id = $1 and s.id = $2`,
    [parseId("usr", userId), parseId("ses", sessionId)],
  );
  return row as { generation: number; revoked: number; logins: number };
}

function rows(url: string, sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
  return withClient(url, async (client) => (await client.query(sql, [...values])).rows);
}
