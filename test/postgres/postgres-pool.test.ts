import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answered, tally } from "../support/clients/answers.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
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

/** More logins than the server has connections for. */
const storm = 60;

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

async function connect() {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

/** Until it is disposed of, no statement that so much as reads the table gets an answer. */
async function block(table: string): Promise<AsyncDisposable> {
  const connection = await connect();
  await connection.client.query("begin");
  await connection.client.query(`lock table ${table} in access exclusive mode`);
  return connection;
}

function logIn({ email }: Session, address = "192.0.2.1"): Promise<string> {
  const asked = { identifier: email, password: "a guess", clientAddress: address };
  return outcomeOf(() => site.web.auth.login(asked, inTime));
}

function stormOfLogins(session: Session): Promise<string[]> {
  return Promise.all(Array.from({ length: storm }, (_, index) => logIn(session, `192.0.2.${index}`)));
}

async function jwks(): Promise<string> {
  const signal = AbortSignal.timeout(inTime.timeoutMs);
  const { status } = await fetch(`${site.server.http}/.well-known/jwks.json`, { signal });
  return `status ${status}`;
}

interface Slow {
  readonly what: string;
  readonly table: string;
  /** Calls besides revocations that do not read the table, and their answers. */
  readonly goOn: Readonly<Partial<Record<CallName, string>>>;
  /** What has to read it. */
  readonly refused: readonly CallName[];
}

const cases: readonly Slow[] = [
  {
    what: "the table of addresses",
    table: "postern.user_addresses",
    goOn: {
      "Introspect of an access token": "active",
      "Introspect of a refresh token": "active",
      Refresh: "answered",
    },
    refused: ["Login"],
  },
  {
    // Among those that read it is Introspect, for the name that it shows.
    what: "the table of users",
    table: "postern.users",
    goOn: {},
    refused: ["Login", "Refresh", "Introspect of an access token", "Introspect of a refresh token"],
  },
];

/** The outcomes of the calls that need not wait, then two revocations and the introspection of their tokens. */
async function goneOn({ goOn }: Slow, session: Session): Promise<Record<string, string>> {
  const calls = callsFor(site, session);
  const others = await outcomesOf(calls, namesOf(goOn));
  const token = await outcomeOf(calls["Revoke of an access token"]);
  return { ...others, token, session: await outcomeOf(calls["Revoke of a session"]), jwks: await jwks() };
}

describe("N05: where each statement hangs that reads", { timeout: 60_000 }, () => {
  test.each(cases)("$what, a storm of logins is refused in time, and the others go on", async (slow) => {
    const sessions = await Promise.all(Array.from({ length: 6 }, () => openSession(site)));
    const [kept, ...others] = sessions as [Session, ...Session[]];
    const calls = callsFor(site, kept);
    const expected = { ...slow.goOn, token: "answered", session: "answered", jwks: "status 200" };
    {
      await using _ = await block(slow.table);
      const storming = stormOfLogins(kept);
      // While the connections are taken one by one, and when all of them are set aside.
      for (const session of others.slice(0, 2)) expect(await goneOn(slow, session)).toEqual(expected);
      const { UNAVAILABLE = 0, OVERLOADED = 0, ...rest } = tally(await storming);
      expect(rest).toEqual({});
      expect(UNAVAILABLE + OVERLOADED).toBe(storm);
      for (const session of others.slice(2)) expect(await goneOn(slow, session)).toEqual(expected);
      expect(await outcomesOf(calls, slow.refused)).toEqual(allOf(slow.refused, "UNAVAILABLE"));
      // It reads another table, and finds no connection.
      const list = () => site.admin.auth.listSessions({ userId: kept.userId }, inTime);
      expect(await outcomeOf(list)).toBe("UNAVAILABLE");
    }
    expect(await outcomesOfWell(site, kept)).toEqual(allWell);
    for (const { accessToken } of others) {
      const { active } = await answered(() => site.web.auth.introspect({ token: accessToken }, inTime));
      expect(active).toBe(false);
    }
  });
});

test("N07: reads that hang do not take one connection of Postgres after the other", async () => {
  const calls = callsFor(site, await openSession(site));
  await using watcher = await connect();
  const waiting = async () => {
    const { rows } = await watcher.client.query(
      `select count(*)::int as count from pg_stat_activity where datname = current_database()
       and application_name like 'postern%' and wait_event_type = 'Lock'`,
    );
    return rows[0].count as number;
  };
  await using _ = await block("postern.users");
  const seen: number[] = [];
  for (let count = 0; count < 6; count++) {
    expect(await outcomeOf(calls["Introspect of an access token"])).toBe("UNAVAILABLE");
    seen.push(await waiting());
  }
  // No more than the server keeps for reads: the statement that it has given up has been taken back.
  expect(Math.max(...seen)).toBeLessThanOrEqual(3);
});
