import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusal, tally } from "../support/clients/answers.ts";
import type { Clients } from "../support/clients/clients.ts";
import { postJson } from "../support/clients/wire.ts";
import { each } from "../support/each.ts";
import { type Guess, knownDevice, newAddress, verdict, WRONG } from "../support/load/guesses.ts";
import { pair } from "../support/load/races.ts";
import { copyUsers, createCheapUser } from "../support/people/copy-users.ts";
import { PASSWORD, type TestUser } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { type RedisServer, startRedis } from "../support/redis/redis.ts";
import { scaled } from "../support/run/scale.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { TOKENS } from "../support/servers/server-process.ts";
import { startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

/** Guesses on their way at once. */
const lanes = 16;
const timeout = 400_000;
const addresses = Array.from({ length: 200 }, newAddress);
const undecided = ["OVERLOADED", "UNAVAILABLE"];

let redis: RedisServer;
/** With the limits that a server has by default. */
let usual: TwoServers;
beforeAll(async () => {
  redis = await startRedis();
  usual = await startTwoServers({ POSTERN_REDIS_URL: redis.url });
});
afterAll(async () => {
  await usual?.[Symbol.asyncDispose]();
  await redis?.stop();
});

/** One login, which is not asked again: an attacker comes again with the next guess. */
function once(auth: Clients["auth"], guess: Guess): Promise<string> {
  return refusal(auth.login({ password: PASSWORD, ...guess }));
}

interface Attack {
  /** Of every guess, how often what came of it. */
  readonly guesses: Record<string, number>;
  /** Of every login that the victim tried meanwhile, one after the other. */
  readonly victim: Record<string, number>;
  /** Commands to Redis that the servers went on without: of those they count by themselves. */
  readonly missed: number;
}

/** How many guesses are answered from one login of the victim to the next, so that logins take little of the processor. */
const guessesPerLogin = 10;

/** Makes all guesses, over both servers, while the victim logs in again and again. */
async function attack(two: TwoServers, guesses: readonly Guess[], victim: Guess): Promise<Attack> {
  const before = await total(two, "postern_redis_faults_total");
  const tries: string[] = [];
  let [guessed, isOver] = [0, false];
  const logins = (async () => {
    while (!isOver) {
      const due = guessed + guessesPerLogin;
      tries.push(await once(pair(two, tries.length)[0].web, victim));
      while (!isOver && guessed < due) await delay(5);
    }
  })();
  const verdicts = await each(guesses, lanes, async (guess, index) => {
    const outcome = await once(pair(two, index)[0].web, guess);
    guessed += 1;
    return outcome;
  });
  isOver = true;
  await logins;
  const missed = (await total(two, "postern_redis_faults_total")) - before;
  return { guesses: tally(verdicts), victim: tally(tries), missed };
}

async function total({ a, b }: TwoServers, name: string): Promise<number> {
  const both = await Promise.all([a, b].map(({ server }) => readMetrics(server.ops)));
  return both.reduce((sum, metrics) => sum + (metrics.get(name) ?? 0), 0);
}

/** The whole budget was used; without Redis, each server may have allowed as much. */
function expectBounds({ guesses, missed }: Attack, allowed: number): void {
  const { INVALID_CREDENTIALS = 0, RATE_LIMITED = 0, ...others } = guesses;
  const withoutVerdict = Object.values(others).reduce((sum, count) => sum + count, 0);
  // One that had no verdict may have been judged.
  expect(INVALID_CREDENTIALS + withoutVerdict).toBeGreaterThanOrEqual(allowed);
  expect(INVALID_CREDENTIALS).toBeLessThanOrEqual(missed === 0 ? allowed : 2 * allowed);
  expect(RATE_LIMITED).toBeGreaterThan(0);
  expect(undecided).toEqual(expect.arrayContaining(Object.keys(others)));
}

/** The victim is let in whenever the server decides, and that it does again and again. */
function expectLetIn({ victim }: Attack): void {
  const { answered = 0, ...others } = victim;
  expect(answered).toBeGreaterThan(0);
  expect(undecided).toEqual(expect.arrayContaining(Object.keys(others)));
}

const describeAttack = ({ guesses, victim, missed }: Attack) =>
  `guesses ${JSON.stringify(guesses)}; the victim's logins ${JSON.stringify(victim)}; Redis missed ${missed} times`;

async function victimOf(two: TwoServers, clientAddress: string): Promise<Guess & TestUser> {
  const user = await createCheapUser(two);
  const deviceToken = await knownDevice(two.a.web, { identifier: user.email, clientAddress });
  return { ...user, identifier: user.email, deviceToken };
}

test("D05: one account from 200 addresses", { timeout }, async ({ annotate }) => {
  const two = usual;
  const home = newAddress();
  const { identifier, deviceToken = "" } = await victimOf(two, home);
  const guesses = Array.from({ length: scaled(1_000, { atLeast: 400 }) }, (_, index) => ({
    identifier,
    password: WRONG,
    clientAddress: addresses[index % addresses.length] ?? "",
  }));
  const result = await attack(two, guesses, { identifier, deviceToken, clientAddress: newAddress() });
  await annotate(describeAttack(result));
  expectBounds(result, 100);
  expectLetIn(result);
  const { a, b } = two;
  for (const { web } of [a, b]) {
    expect(await verdict(web, { identifier, clientAddress: newAddress() })).toBe("RATE_LIMITED");
    expect(await verdict(web, { identifier, clientAddress: home })).toBe("answered");
  }
});

test("D05: many accounts through one back end's address", { timeout }, async ({ annotate }) => {
  const two = usual;
  const clientAddress = newAddress();
  const { identifier, deviceToken = "" } = await victimOf(two, clientAddress);
  const users = await copyUsers(two, await createCheapUser(two), scaled(500, { atLeast: 250 }));
  const guesses = users.map(({ email }) => ({ identifier: email, password: WRONG, clientAddress }));
  const result = await attack(two, guesses, { identifier, deviceToken, clientAddress });
  await annotate(describeAttack(result));
  expectBounds(result, 100);
  expectLetIn(result);
  for (const { web } of [two.a, two.b]) {
    expect(await verdict(web, { identifier, clientAddress })).toBe("answered");
    expect(await verdict(web, { identifier: users[0]?.email ?? "", clientAddress: newAddress() })).toBe(
      "answered",
    );
  }
});

test("many accounts by one password from 200 addresses", { timeout }, async ({ annotate }) => {
  // Spans that outlast the test on a slow machine; counts that are refused even if each server counts by itself.
  const limits = "account=10/30m,account_all=100/1h,address=5/30m,total=150/30m";
  await using two = await startTwoServers({ POSTERN_REDIS_URL: redis.url, POSTERN_LOGIN_LIMITS: limits });
  const { identifier, deviceToken = "" } = await victimOf(two, newAddress());
  const users = await copyUsers(two, await createCheapUser(two), scaled(3_000, { atLeast: 450 }));
  // A quarter of the guesses comes from five loud addresses.
  const guesses = users.map(({ email }, index) => ({
    identifier: email,
    password: WRONG,
    clientAddress: addresses[index % 4 === 0 ? (index / 4) % 5 : index % addresses.length] ?? "",
  }));
  const result = await attack(two, guesses, { identifier, deviceToken, clientAddress: newAddress() });
  const refused = await Promise.all(
    ["address", "total"].map((name) =>
      total(two, `postern_login_limits_total{budget="${name}",what="refused"}`),
    ),
  );
  await annotate(
    `${describeAttack(result)}; refused by \`address\` and by \`total\`: ${refused.join(" and ")}`,
  );
  expectBounds(result, 150);
  expectLetIn(result);
  for (const one of refused) expect(one).toBeGreaterThan(0);

  // An unknown client gets the retry delay, with a right or wrong password.
  for (const [index, password] of [PASSWORD, WRONG].entries()) {
    const json = JSON.stringify({ identifier: users[index]?.email, password, clientAddress: newAddress() });
    const { http } = pair(two, index)[0].server;
    const url = `${http}/postern.auth.v1.AuthService/Login`;
    const answer = await poll("an answer that is a verdict", 30_000, async () => {
      const one = await postJson(url, TOKENS.web, json);
      return one.status === 503 ? undefined : one;
    });
    expect(answer.status).toBe(429);
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    expect(Number(answer.headers["retry-after"])).toBeLessThanOrEqual(1_800);
  }
});
