import { once } from "node:events";
import http2 from "node:http2";
import { availableParallelism } from "node:os";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answered, tally } from "../support/clients/answers.ts";
import { createClients } from "../support/clients/clients.ts";
import { grpcStatus, openGrpc, postJson, readAnswer } from "../support/clients/wire.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import {
  allOf,
  callsFor,
  inTime,
  openSession,
  openSite,
  outcomeOf,
  outcomesOf,
  type Session,
  type Site,
} from "../support/postgres/postgres-site.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { TOKENS } from "../support/servers/server-process.ts";

const RESOURCE_EXHAUSTED = 8;
/** What the server hashes at once, and how many may wait behind it. */
const hashing = Math.max(1, availableParallelism() - 1);
const mayWait = 50 * hashing;
/** Takes a thread some fifty times as long as a usual one; no password fits it. */
const dearHash = `$argon2id$v=19$m=131072,t=10,p=1$${"A".repeat(22)}$${"A".repeat(43)}`;
/** Of the logins that fill the queue. */
const timeoutMs = 4_000;

let database: TestDatabase;
let site: Site;
/** Opened while there was room for it. */
let sessions: [Session, Session];
let slowUser: string;
/** The outcomes of all logins that were to fill the queue. */
const fillers: Promise<string>[] = [];
const isOverloaded = (outcome: string) => outcome === "OVERLOADED";

beforeAll(async () => {
  database = await createDatabase();
  site = await openSite(database.url, {
    POSTERN_LOGIN_LIMITS: "account=off,account_all=off,address=off,total=off",
    POSTERN_ACCESS_TTL: "1h",
  });
  sessions = [await openSession(site), await openSession(site)];
  slowUser = await createSlowUser();
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
  await database?.drop();
});

async function waiting(): Promise<number> {
  return (await readMetrics(site.server.ops)).get("postern_hash_queue_waiting") ?? 0;
}

/** A user whose logins keep a thread busy for long. */
async function createSlowUser(): Promise<string> {
  const { email } = await openSession(site);
  await withClient(database.url, (client) =>
    client.query("update postern.users set password_hash = $1 where email = $2", [dearHash, email]),
  );
  return email;
}

/** Adds logins that wait until the queue is full. */
async function fillQueue(): Promise<void> {
  const url = `${site.server.http}/postern.auth.v1.AuthService/Login`;
  const body = JSON.stringify({ identifier: slowUser, password: "a guess" });
  const deadline = [["connect-timeout-ms", String(timeoutMs)] as const];
  await poll("the queue is full", 20_000, async () => {
    const missing = mayWait - (await waiting());
    if (missing === 0) return true;
    for (let one = 0; one < missing; one += 1) {
      fillers.push(postJson(url, TOKENS.web, body, deadline).then(({ status }) => `status ${status}`));
    }
    return undefined;
  });
}

async function openClient(): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** Until it is disposed of, reads of users get no answer. */
async function blockUsers(client: Client): Promise<AsyncDisposable> {
  await client.query("begin");
  await client.query("lock table postern.users in access exclusive mode");
  return { [Symbol.asyncDispose]: async () => void (await client.query("rollback")) };
}

/** The outcome of a login that finds the queue full; in the moment before it comes a thread may take one that waits. */
async function whenFull<T>(attempt: () => Promise<T>, isRefused: (outcome: T) => boolean): Promise<T> {
  return await poll("the queue is full, and the login refused", 20_000, async () => {
    await fillQueue();
    const outcome = await attempt();
    return isRefused(outcome) ? outcome : undefined;
  });
}

test("D14 N05: with the queue of hashes full, a login is refused before the database is asked", async () => {
  const calls = callsFor(site, sessions[0]);
  await using client = await openClient();
  await whenFull(async () => {
    await using _ = await blockUsers(client);
    return await outcomeOf(calls.Login);
  }, isOverloaded);
});

test.each(["connect", "grpc-web", "grpc"] as const)(
  "it is refused by %s, with a retry delay",
  async (protocol) => {
    const [{ email }] = sessions;
    const baseUrl = protocol === "grpc" ? site.server.grpc : site.server.http;
    using clients = createClients({ baseUrl, protocol, credential: TOKENS.web });
    const attempt = () => clients.auth.login({ identifier: email, password: "a guess" }, inTime);
    await whenFull(() => outcomeOf(attempt), isOverloaded);
  },
);

test("setting a password is refused too, and calls without hashing continue", async () => {
  const [one, other] = sessions;
  await whenFull(() => outcomeOf(callsFor(site, other).SetPassword), isOverloaded);
  const calls = callsFor(site, one);
  const reads = ["Introspect of an access token", "Introspect of a refresh token"] as const;
  expect(await outcomesOf(calls, reads)).toEqual(allOf(reads, "active"));
  expect(await outcomeOf(calls.Refresh)).toBe("answered");
  const revokes = ["Revoke of an access token", "Revoke of a session"] as const;
  expect(await outcomesOf(calls, revokes)).toEqual(allOf(revokes, "answered"));
  expect((await fetch(`${site.server.http}/.well-known/jwks.json`)).status).toBe(200);
  expect(await waiting()).toBeGreaterThan(0);
});

test("L03: the stream of one whose message never ends is closed when it is refused", async () => {
  await whenFull(halfOpen, (status) => status === RESOURCE_EXHAUSTED);
});

test("D14: logins whose deadline passes while they wait are not hashed", async () => {
  await fillQueue();
  const { "status 504": late = 0 } = tally(await Promise.all(fillers));
  expect(late).toBeGreaterThan(mayWait / 2);
  // To hash them would take many times as long.
  await poll("nothing waits", 5_000, async () => ((await waiting()) === 0 ? true : undefined));
  expect(await outcomeOf(() => answered(callsFor(site, sessions[0]).Login))).toBe("answered");
});

/** The status of a login whose message never ends; resolves once the server has closed its stream. */
async function halfOpen(): Promise<number | undefined> {
  const session = http2.connect(site.server.grpc);
  try {
    const authorization = `Bearer ${TOKENS.web}`;
    const stream = openGrpc(session, "/postern.auth.v1.AuthService/Login", { authorization });
    // What is read is cut off after 10 seconds.
    const closed = once(stream, "close", { signal: AbortSignal.timeout(5_000) });
    stream.write(Buffer.from([0, 0, 0, 1, 0, 10]));
    const answer = readAnswer(stream).catch(() => undefined);
    await closed;
    const answered = await answer;
    return answered === undefined ? undefined : grpcStatus(answered);
  } finally {
    session.destroy();
  }
}

test("N05: if the database hangs, no more logins use it than could be hashed, and the others are refused", async () => {
  const [{ email }] = sessions;
  const url = `${site.server.http}/postern.auth.v1.AuthService/Login`;
  const body = JSON.stringify({ identifier: email, password: "a guess" });
  await using client = await openClient();
  const statuses = await (async () => {
    await using _ = await blockUsers(client);
    const all = Array.from({ length: 2 * (mayWait + hashing) }, () => postJson(url, TOKENS.web, body));
    return (await Promise.all(all)).map(({ status }) => `status ${status}`);
  })();
  const { "status 429": refused = 0, "status 503": unavailable = 0, ...others } = tally(statuses);
  expect(others).toEqual({});
  expect(refused).toBeGreaterThan(0);
  expect(unavailable).toBeGreaterThanOrEqual(mayWait + hashing);
});

test("a caller that hangs up is no fault of the server", async () => {
  const [{ email }] = sessions;
  await using client = await openClient();
  const hangsUp = new AbortController();
  const count = async (outcome: string) => {
    const labels = `method="postern.auth.v1.AuthService/Login",outcome="${outcome}"`;
    return (await readMetrics(site.server.ops)).get(`postern_rpc_calls_total{${labels}}`) ?? 0;
  };
  expect(await count("Canceled")).toBe(0);
  {
    await using _ = await blockUsers(client);
    const { auth } = createClients({ baseUrl: site.server.http, credential: TOKENS.web });
    const asked = auth.login({ identifier: email, password: "a guess" }, { signal: hangsUp.signal });
    const outcome = outcomeOf(() => asked);
    await poll("the login waits for its answer", 20_000, async () => {
      const { rows } = await client.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      return rows.length > 0 || undefined;
    });
    hangsUp.abort();
    await outcome;
    await poll("the call has ended", 20_000, async () => (await count("Canceled")) === 1 || undefined);
  }
  expect(site.server.logs.filter(({ level }) => Number(level) >= 50)).toEqual([]);
});
