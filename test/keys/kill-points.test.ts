import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import { answered, refusal } from "../support/clients/answers.ts";
import { type KillPoint, type Side, startKillPoint } from "../support/faults/kill-point.ts";
import { PASSWORD } from "../support/people/people.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import {
  openSession,
  openSite,
  patient,
  type Session,
  type Site,
} from "../support/postgres/postgres-site.ts";

/** Every one but those that only read. */
const pools = new Set(["main", "revoke", "refresh", "notes"].map((name) => `postern ${name}`));
const env = { POSTERN_MASTER_KEY: randomBytes(32).toString("base64") };
const NEW_PASSWORD = "another horse that nobody has counted 72";

let database: TestDatabase;
let killPoint: KillPoint;
let site: Site;

beforeAll(async () => {
  database = await createDatabase();
  const { hostname, port } = new URL(database.url);
  killPoint = await startKillPoint({ host: hostname, port: Number(port) });
  site = await openSite(killPoint.through(database.url), env);
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
  await killPoint?.[Symbol.asyncDispose]();
  await database?.drop();
});

async function query(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return withClient(database.url, async (client) => (await client.query(sql, values)).rows);
}

async function count(sql: string, values: unknown[] = []): Promise<number> {
  return Number((await query(`select count(*) from ${sql}`, values))[0]?.["count"]);
}

const isActive = async (token: string) =>
  (await answered(() => site.web.auth.introspect({ token }, patient))).active;
const logIn = (email: string, password = PASSWORD) =>
  answered(() => site.web.auth.login({ identifier: email, password }, patient));

async function refresh(refreshToken: string) {
  const { tokens } = await answered(() => site.web.auth.refresh({ refreshToken }, patient));
  if (tokens === undefined) throw new Error("the refresh has no tokens");
  return tokens;
}

interface Case {
  readonly call: (session: Session) => Promise<unknown>;
  /** The function of the database in which it is done. */
  readonly done: string;
  /** What there is after the kill and a new start, where the call was committed, and where it was not. */
  readonly check: (session: Session, committed: boolean) => Promise<void>;
}

const cases: Readonly<Record<string, Case>> = {
  Login: {
    call: ({ email }) => site.web.auth.login({ identifier: email, password: PASSWORD }, patient),
    done: "postern.open_session",
    async check({ userId, email, accessToken }, committed) {
      expect(await count("postern.sessions where user_id = $1", [parseId("usr", userId)])).toBe(
        committed ? 2 : 1,
      );
      expect(await isActive(accessToken)).toBe(true);
      const { outcome } = await logIn(email);
      expect(await isActive(outcome.value?.tokens?.accessToken ?? "")).toBe(true);
    },
  },
  "Login by a wrong password": {
    call: ({ email }) => site.web.auth.login({ identifier: email, password: "a guess" }, patient),
    done: "postern.record_audit_batch",
    async check({ userId, email }, committed) {
      const refused = "postern.audit where event = 'login_refused' and user_id = $1";
      expect(await count(refused, [parseId("usr", userId)])).toBe(committed ? 1 : 0);
      expect(await count("postern.sessions where user_id = $1", [parseId("usr", userId)])).toBe(1);
      await logIn(email);
    },
  },
  Refresh: {
    call: ({ refreshToken }) => site.web.auth.refresh({ refreshToken }, patient),
    done: "postern.rotate_sessions",
    async check({ sessionId, refreshToken }, committed) {
      const generation = async () => {
        const sql = "select generation, ended_at from postern.sessions where id = $1";
        return (await query(sql, [parseId("ses", sessionId)]))[0];
      };
      expect(await generation()).toEqual({ generation: committed ? 1 : 0, ended_at: null });
      const successor = await refresh(refreshToken);
      expect(await generation()).toEqual({ generation: 1, ended_at: null });
      const again = await refresh(refreshToken);
      expect(again.refreshToken).toBe(successor.refreshToken);
      expect(successor.refreshToken).not.toBe(refreshToken);
      for (const { accessToken } of [successor, again]) expect(await isActive(accessToken)).toBe(true);
      expect(await isActive((await refresh(successor.refreshToken)).accessToken)).toBe(true);
      expect(await count("postern.audit where event = 'refresh_reuse'")).toBe(0);
    },
  },
  "Revoke of a session": {
    call: ({ sessionId }) =>
      site.web.auth.revoke({ target: { case: "sessionId", value: sessionId } }, patient),
    done: "postern.revoke_session",
    async check(session, committed) {
      await expectEnded(session, committed);
      await answered(() => cases["Revoke of a session"]?.call(session) ?? Promise.reject());
      await expectEnded(session, true);
    },
  },
  "Revoke of an access token": {
    call: ({ accessToken }) =>
      site.web.auth.revoke({ target: { case: "token", value: accessToken } }, patient),
    done: "postern.revoke_token",
    async check(session, committed) {
      expect(await isActive(session.accessToken)).toBe(!committed);
      await answered(() => cases["Revoke of an access token"]?.call(session) ?? Promise.reject());
      expect(await isActive(session.accessToken)).toBe(false);
      expect(await isActive(session.refreshToken)).toBe(true);
    },
  },
  SetPassword: {
    call: ({ userId }) => site.admin.admin.setPassword({ userId, password: NEW_PASSWORD }, patient),
    done: "postern.set_password",
    async check(session, committed) {
      await expectEnded(session, committed);
      const [right, wrong] = committed ? [NEW_PASSWORD, PASSWORD] : [PASSWORD, NEW_PASSWORD];
      await logIn(session.email, right);
      expect(await refusal(logIn(session.email, wrong))).toBe("INVALID_CREDENTIALS");
      await answered(() => cases["SetPassword"]?.call(session) ?? Promise.reject());
      await expectEnded(session, true);
      await logIn(session.email, NEW_PASSWORD);
    },
  },
  DisableUser: {
    call: ({ userId }) => site.admin.admin.disableUser({ userId }, patient),
    done: "postern.set_disabled",
    async check(session, committed) {
      await expectEnded(session, committed);
      await answered(() => cases["DisableUser"]?.call(session) ?? Promise.reject());
      await expectEnded(session, true);
      expect(await refusal(logIn(session.email))).toBe("INVALID_CREDENTIALS");
    },
  },
};

async function expectEnded({ accessToken, refreshToken }: Session, isEnded: boolean): Promise<void> {
  expect([await isActive(accessToken), await isActive(refreshToken)]).toEqual([!isEnded, !isEnded]);
}

/** The log is linked from its first entry to its head, and the audit has exactly one row for every change. */
async function expectWhole(): Promise<void> {
  expect(
    await query(`
      with linked as (
        select seq, id, previous_id, lag(id) over (order by seq) as before, lag(seq) over (order by seq) as seq_before
        from postern.revocations)
      select seq::int from linked
      where before is not null and (previous_id <> before or seq <> seq_before + 1)
      union all
      select h.seq::int from postern.revocation_head h
      where (h.seq, h.tail) not in (select seq, id from postern.revocations) and exists (select from postern.revocations)
    `),
  ).toEqual([]);
  const changes: readonly [change: string, event: string][] = [
    ["select id from postern.sessions", "select session_id from postern.audit where event = 'login'"],
    [
      "select id from postern.sessions where ended_by = 'revoked'",
      "select session_id from postern.audit where event = 'session_revoked'",
    ],
    [
      "select target_id from postern.revocations where kind = 'session'",
      "select session_id from postern.audit where event = 'session_revoked'",
    ],
    [
      "select target_id from postern.revocations where kind = 'token'",
      "select (detail->>'token')::uuid from postern.audit where event = 'token_revoked'",
    ],
    [
      "select target_id from postern.revocations where kind = 'user'",
      "select user_id from postern.audit where event in ('password_set', 'user_disabled')",
    ],
  ];
  for (const [change, event] of changes) {
    expect(await query(`(${change}) except all (${event})`)).toEqual([]);
    expect(await query(`(${event}) except all (${change})`)).toEqual([]);
  }
}

/**
 * Makes the call, and kills the server at its `nth` statement.
 * @returns the statements up to there; undefined where the call came to an answer before
 */
async function killAt(
  nth: number,
  side: Side,
  call: () => Promise<unknown>,
): Promise<readonly string[] | undefined> {
  const { reached } = killPoint.arm(pools, nth, side);
  const outcome = call().then(
    () => undefined,
    () => undefined,
  );
  const statements = await Promise.race([reached, outcome]);
  if (statements !== undefined) {
    await site.server.kill9();
    await outcome;
    await site[Symbol.asyncDispose]();
  }
  killPoint.disarm();
  if (statements !== undefined) site = await openSite(killPoint.through(database.url), env);
  return statements;
}

describe("O08: a server killed at any statement of", () => {
  test.each(Object.entries(cases).map(([name, one]) => ({ name, ...one })))(
    "$name leaves what was committed and nothing else",
    async ({ call, done, check }) => {
      const does = (statement: string | undefined) => statement?.includes(`${done}(`) ?? false;
      /** Whether there was such a statement. */
      async function killedAt(nth: number, side: Side): Promise<boolean> {
        const session = await openSession(site);
        // A refresh token younger than the grace is returned unchanged.
        await advanceClock(database.url, 60_000);
        const statements = await killAt(nth, side, () => call(session));
        if (statements === undefined) return false;
        if (does(statements.at(-1))) kills += 1;
        const committed = side === "before its answer is back" ? statements : statements.slice(0, -1);
        await check(session, committed.some(does));
        await expectWhole();
        return true;
      }
      let kills = 0;
      let count = 0;
      while (await killedAt(count + 1, "before Postgres has it")) count += 1;
      expect(kills).toBeGreaterThan(0);
      // Of all but the last one, the answer is back before Postgres has the next.
      expect(await killedAt(count, "before its answer is back")).toBe(true);
    },
    600_000,
  );
});
