import { setTimeout as wait } from "node:timers/promises";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusal } from "../support/clients/answers.ts";
import { createJwksReader, kidOf } from "../support/clients/jwks-reader.ts";
import { createUser, isActive, login, refresh, type Tokens } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { setClock } from "../support/postgres/clock.ts";
import { scaled } from "../support/run/scale.ts";
import { type Ended, runPostern } from "../support/servers/postern-command.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

/** The database's clock runs so much faster than ours: a minute is half a second. */
const haste = 120;
const minute = 60_000;
/** Keys that sign in turn. */
const turns = scaled(3, { atLeast: 2 });

const turning = { POSTERN_KEY_ROTATE_EVERY: "1h", POSTERN_KEY_PUBLISH_LEAD: "5m" };

let two: TwoServers;
/** How far the database's clock is ahead. */
let aheadMs = 0;
const nowMs = () => Date.now() + aheadMs;

beforeAll(async () => {
  two = await startTwoServers(turning);
});
afterAll(() => two?.[Symbol.asyncDispose]());

const key = (...args: string[]): Promise<Ended> =>
  runPostern(["key", ...args, "--json"], {
    POSTERN_DATABASE_URL: two.databaseUrl,
    POSTERN_MASTER_KEY: two.masterKey,
    POSTERN_ISSUER: "https://postern.test",
    ...turning,
  });

interface Key {
  readonly id: string;
  readonly purpose: string;
  readonly state: string;
  readonly alg: string;
}

async function keys(purpose = "signing"): Promise<Key[]> {
  const { code, stdout, stderr } = await key("list", "--purpose", purpose);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout).keys;
}

function expiryMs(token: string): number {
  return (decodeJwt(token).exp ?? 0) * 1_000;
}

/** Waits until the key sets of both servers have exactly these keys. */
async function published(kids: readonly string[]): Promise<void> {
  for (const { server } of [two.a, two.b]) {
    await poll("the keys are published", 20_000, async () => {
      const { keys } = (await (await fetch(`${server.http}/.well-known/jwks.json`)).json()) as {
        keys: { kid: string }[];
      };
      return keys
        .map(({ kid }) => kid)
        .sort()
        .join() === [...kids].sort().join()
        ? true
        : undefined;
    });
  }
}

test("O02: while keys turn, services that keep the key set as long as they may refuse no token", {
  timeout: 240_000,
}, async ({ annotate }) => {
  const readers = [two.a, two.b, two.a, two.b].map(({ server }) =>
    createJwksReader(() => server.http, nowMs),
  );
  const seen = new Set<string>();
  let verified = 0;
  let stop = false;
  let step = Promise.withResolvers<void>();

  async function use(replica: Replica, other: Replica): Promise<void> {
    const user = await createUser(replica.users);
    let tokens: Tokens = await login(replica.web, user.email);
    let older = tokens.accessToken;
    while (!stop) {
      // If a key signs too early, it does so for two seconds, and a few dozen of these rounds observe it.
      await wait(50);
      tokens = await refresh(replica.web, tokens.refreshToken);
      seen.add(kidOf(tokens.accessToken));
      for (const token of [tokens.accessToken, older]) {
        const atMs = nowMs();
        if (expiryMs(token) < atMs) continue;
        for (const reader of readers) await reader.verify(token, atMs);
        verified += readers.length;
      }
      // Where this machine stood still, the hurried clock has overtaken the token.
      if (!(await isActive(other.web, tokens.accessToken))) {
        expect(expiryMs(tokens.accessToken)).toBeLessThanOrEqual(nowMs());
      }
      older = tokens.accessToken;
      [replica, other] = [other, replica];
    }
  }

  const first = await keys();
  const working = Promise.all([use(two.a, two.b), use(two.b, two.a), use(two.a, two.b)]);
  // A fault ends the test, not the loop below.
  const failed = working.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const begunMs = performance.now();
  const isDone = async () => {
    const [list] = [await keys()];
    return seen.size >= turns && !list.some(({ id }) => id === first[0]?.id);
  };
  let looks = 0;
  for (;;) {
    aheadMs = Math.round((performance.now() - begunMs) * (haste - 1));
    await setClock(two.databaseUrl, aheadMs);
    step.resolve();
    step = Promise.withResolvers();
    const fault = await Promise.race([failed, wait(100)]);
    if (fault !== undefined) throw (fault as { error: unknown }).error;
    looks += 1;
    if (looks % 20 === 0 && (await isDone())) break;
    if (performance.now() - begunMs > 200_000) throw new Error("the keys do not turn");
  }
  stop = true;
  step.resolve();
  await working;

  const list = await keys();
  await annotate(`${verified} verifications, ${seen.size} keys signed, ${list.length} are left`);
  expect(verified).toBeGreaterThan(scaled(1_000, { atLeast: 300 }));
  expect(list.filter(({ state }) => state === "active")).toHaveLength(1);
  expect(list.filter(({ state }) => state === "prepared")).toHaveLength(1);
  expect(list.length).toBeLessThan(6);
  const turned = await two.query(
    `select detail ->> 'key' as key, count(*)::int as times from postern.audit
     where event = 'key_activated' and detail ->> 'purpose' = 'signing' group by 1`,
  );
  // One replica turned each key, though both had the time.
  expect(turned.every(({ times }) => times === 1)).toBe(true);
  expect(turned.length).toBe(seen.size);
});

test("a tainted key's tokens are over, and an already published key signs, from then on and on every replica", {
  timeout: 60_000,
}, async () => {
  const [active, next] = ["active", "prepared"].map(async (state) =>
    (await keys()).find((one) => one.state === state),
  );
  const [stolen = "", successor = ""] = [(await active)?.id, (await next)?.id];
  const reader = createJwksReader(() => two.a.server.http, nowMs);
  const user = await createUser(two.a.users);
  const sessions = await Promise.all(Array.from({ length: 20 }, () => login(two.a.web, user.email)));
  for (const { accessToken } of sessions) await reader.verify(accessToken);
  expect(new Set(sessions.map(({ accessToken }) => kidOf(accessToken)))).toEqual(new Set([stolen]));
  expect(reader.kids).toContain(successor);

  // Refreshes go on all the while: from the answer of the command on none is signed by the stolen key.
  let isTainted = false;
  let stop = false;
  const late: string[] = [];
  const load = [two.a, two.b].map(async (replica) => {
    let { refreshToken } = await login(replica.web, user.email);
    while (!stop) {
      const began = isTainted;
      const tokens = await refresh(replica.web, refreshToken);
      if (began) late.push(kidOf(tokens.accessToken));
      ({ refreshToken } = tokens);
    }
  });
  const { code, stdout } = await key("taint", "--purpose", "signing");
  isTainted = true;
  expect([code, JSON.parse(stdout).id, JSON.parse(stdout).state]).toEqual([0, stolen, "tainted"]);
  for (const replica of [two.a, two.b]) {
    for (const { accessToken } of sessions) expect(await isActive(replica.web, accessToken)).toBe(false);
    for (const { refreshToken } of sessions) {
      const { accessToken } = await refresh(replica.web, refreshToken);
      expect(kidOf(accessToken)).toBe(successor);
      await reader.verify(accessToken);
      expect(await isActive((replica === two.a ? two.b : two.a).web, accessToken)).toBe(true);
    }
  }
  await poll("some refreshes after the taint", 10_000, async () => (late.length > 20 ? true : undefined));
  stop = true;
  await Promise.all(load);
  expect(new Set(late)).toEqual(new Set([successor]));
  const left = (await keys()).filter(({ state }) => state !== "tainted").map(({ id }) => id);
  await published(left);
  expect(left).not.toContain(stolen);
  expect((await keys()).filter(({ state }) => state === "prepared")).toHaveLength(1);
});

test("keys of three algorithms are published together, and each signs in turn", {
  timeout: 90_000,
}, async () => {
  const user = await createUser(two.a.users);
  const tokens: string[] = [];
  for (const alg of ["EdDSA", "RS256", "ES256"]) {
    const made = JSON.parse((await key("prepare", "--purpose", "signing", "--alg", alg)).stdout);
    expect([made.alg, made.state]).toEqual([alg, "prepared"]);
    const early = await key("activate", made.id);
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining("POSTERN_KEY_PUBLISH_LEAD")]);
    aheadMs += 6 * minute;
    await setClock(two.databaseUrl, aheadMs);
    expect(await key("activate", made.id)).toMatchObject({ code: 0, stderr: "" });
    const { accessToken } = await login(two.b.web, user.email);
    expect(kidOf(accessToken)).toBe(made.id);
    tokens.push(accessToken);
  }
  const reader = createJwksReader(() => two.b.server.http, nowMs);
  // The first ones have expired by the database's clock; their keys are still in the set.
  await reader.verify(tokens.at(-1) ?? "");
  expect(reader.kids).toEqual(expect.arrayContaining(tokens.map(kidOf)));
});

test("a refresh key gives way without anybody noticing; tainted, it ends every session", {
  timeout: 60_000,
}, async () => {
  const user = await createUser(two.a.users);
  const old = await login(two.a.web, user.email);
  const { code, stdout } = await key("rotate", "--purpose", "refresh");
  expect([code, JSON.parse(stdout).state]).toEqual([0, "active"]);
  const young = await login(two.b.web, user.email);
  const again = await Promise.all([
    refresh(two.b.web, old.refreshToken),
    refresh(two.a.web, young.refreshToken),
  ]);
  for (const { accessToken } of again) expect(await isActive(two.b.web, accessToken)).toBe(true);

  const retired = (await keys("refresh")).find(({ state }) => state === "retired");
  const kept = await key("remove", retired?.id ?? "");
  expect([kept.code, kept.stderr]).toEqual([1, expect.stringContaining("may live until")]);
  const unsure = await key("taint", "--purpose", "refresh");
  expect([unsure.code, unsure.stderr]).toEqual([2, expect.stringContaining("--yes")]);
  expect((await key("taint", "--purpose", "refresh", "--yes")).code).toBe(0);
  for (const { accessToken, refreshToken } of again) {
    expect(await isActive(two.a.web, accessToken)).toBe(false);
    expect(["SESSION_ENDED", "INVALID_REFRESH_TOKEN"]).toContain(
      await refusal(two.b.web.refresh({ refreshToken })),
    );
  }
  // The first ones come before a replica has had reason to look at the keys.
  for (const replica of [two.a, two.b, two.b, two.a]) {
    const { refreshToken } = await login(replica.web, user.email);
    expect(await isActive(two.b.web, (await refresh(two.b.web, refreshToken)).accessToken)).toBe(true);
  }
});

test("a removed key is gone: nothing it made holds, and its secret is nowhere", {
  timeout: 60_000,
}, async () => {
  const user = await createUser(two.a.users);
  const { accessToken } = await login(two.a.web, user.email);
  const id = kidOf(accessToken);
  expect((await key("remove", id)).stderr).toContain("rotate first");
  expect((await key("rotate", "--purpose", "signing", "--now")).code).toBe(0);
  expect((await key("remove", id)).stderr).toContain("may live until");
  expect(await isActive(two.b.web, accessToken)).toBe(true);
  expect((await key("remove", id, "--force")).code).toBe(0);
  for (const replica of [two.a, two.b]) expect(await isActive(replica.web, accessToken)).toBe(false);
  expect(
    await two.query("select id from postern.keys where state = 'removed' and sealed is not null"),
  ).toEqual([]);
  expect((await key("remove", id)).stderr).toContain("no such key");
});
