import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import { answered } from "../support/clients/answers.ts";
import { poll } from "../support/poll.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import {
  allOf,
  allWell,
  type CallName,
  callsFor,
  inTime,
  namesOf,
  openSession,
  openSite,
  outcomeOf,
  outcomesOf,
  outcomesOfWell,
  type Session,
  type Site,
} from "../support/postgres/postgres-site.ts";

const pastTheGrace = 31_000;

let database: TestDatabase;
let site: Site;

beforeAll(async () => {
  database = await createDatabase();
  site = await openSite(database.url, { POSTERN_ACCESS_TTL: "1h" });
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
  await database?.drop();
});

function rows(sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
  return withClient(database.url, async (client) => (await client.query(sql, [...values])).rows);
}

/** A transaction that holds what the statement locks, and does nothing more. */
async function hold(sql: string, values: readonly unknown[] = []): Promise<AsyncDisposable> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query("begin");
  await client.query(sql, [...values]);
  return { [Symbol.asyncDispose]: () => client.end() };
}

/** While the lock is still held, no connection of the server waits for it any more, nor sits in a transaction. */
async function expectNoneWaits(): Promise<void> {
  const sql = `select query from pg_stat_activity where datname = current_database()
    and application_name like 'postern%' and (wait_event_type = 'Lock' or state like 'idle in transaction%')`;
  await poll("the waits are over", 20_000, async () => ((await rows(sql)).length === 0 ? true : undefined));
}

/** All that changes when a call is carried out. */
async function stateOf({ userId, sessionId }: Session): Promise<unknown> {
  const [row] = await rows(
    `select u.password_version, u.disabled_at, u.login_count, s.generation, s.ended_at,
       (select count(*) from postern.sessions where user_id = u.id) as sessions,
       (select seq from postern.revocation_head) as seq, (select count(*) from postern.audit) as notes
     from postern.users u join postern.sessions s on s.user_id = u.id where u.id = $1 and s.id = $2`,
    [parseId("usr", userId), parseId("ses", sessionId)],
  );
  return row;
}

interface Lock {
  readonly name: string;
  readonly sql: string;
  readonly value?: (session: Session) => unknown;
  /** Which calls wait for it. */
  readonly refused: readonly CallName[];
  /** Which calls do not, and what they answer. */
  readonly goOn: Readonly<Partial<Record<CallName, string>>>;
}

const { Login, Refresh, ...others } = allWell;
const locks: readonly Lock[] = [
  {
    name: "a session's row",
    sql: "select from postern.sessions where id = $1 for update",
    value: ({ sessionId }) => parseId("ses", sessionId),
    refused: ["Refresh", "Revoke of a refresh token", "Revoke of a session"],
    goOn: { ...others, Login },
  },
  {
    name: "a user's row",
    sql: "select from postern.users where id = $1 for update",
    value: ({ userId }) => parseId("usr", userId),
    refused: ["Login", "SetPassword", "DisableUser", "Revoke of a user"],
    goOn: { ...others, Refresh },
  },
  {
    name: "the log's head",
    sql: "select from postern.revocation_head for update",
    refused: [
      ...(["Revoke of an access token", "Revoke of a refresh token", "Revoke of a session"] as const),
      ...(["Revoke of a user", "SetPassword", "DisableUser"] as const),
    ],
    goOn: allWell,
  },
];

describe("N07: held by another transaction,", { timeout: 60_000 }, () => {
  test.each(locks)("$name costs what needs it an UNAVAILABLE in time, and nothing else", async (lock) => {
    const session = await openSession(site);
    const calls = callsFor(site, session);
    {
      await using _ = await hold(lock.sql, lock.value === undefined ? [] : [lock.value(session)]);
      const before = await stateOf(session);
      expect(await outcomesOf(calls, lock.refused)).toEqual(allOf(lock.refused, "UNAVAILABLE"));
      await expectNoneWaits();
      // What was refused has not been done.
      expect(await stateOf(session)).toEqual(before);
      expect(await outcomesOf(calls, namesOf(lock.goOn))).toEqual(lock.goOn);
    }
    for (const name of lock.refused) {
      const one = await openSession(site);
      expect(await outcomeOf(() => answered(callsFor(site, one)[name]))).toBe("answered");
    }
    expect(await outcomesOfWell(site, session)).toEqual(allWell);
  });

  test("a session's row costs no other refresh of the same batch its answer, and is not spent", async () => {
    const sessions = await Promise.all(Array.from({ length: 12 }, () => openSession(site)));
    const stuck = sessions[6] as Session;
    await advanceClock(database.url, pastTheGrace);
    const refresh = ({ refreshToken }: Session) => site.web.auth.refresh({ refreshToken }, inTime);
    {
      await using _ = await hold("select from postern.sessions where id = $1 for update", [
        parseId("ses", stuck.sessionId),
      ]);
      // On a machine with too much to do one of the others may come too late at first; while the row is held, too, it
      // has its answer when it tries again.
      const outcomes = await Promise.all(
        sessions.map((session) =>
          outcomeOf(() => (session === stuck ? refresh(session) : answered(() => refresh(session)))),
        ),
      );
      expect(outcomes).toEqual(sessions.map((session) => (session === stuck ? "UNAVAILABLE" : "answered")));
    }
    const { tokens } = await answered(() => refresh(stuck));
    expect(tokens?.refreshToken).not.toBe(stuck.refreshToken);
    const generations = await rows("select distinct generation from postern.sessions where id = any ($1)", [
      sessions.map(({ sessionId }) => parseId("ses", sessionId)),
    ]);
    expect(generations).toEqual([{ generation: 1 }]);
  });
});
