import { setTimeout as wait } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answered, tally } from "../support/clients/answers.ts";
import { kidOf } from "../support/clients/jwks-reader.ts";
import { startTcpProxy } from "../support/faults/tcp-proxy.ts";
import { createUser, login, refresh } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { scaled } from "../support/run/scale.ts";
import { keepState, reconnected } from "../support/servers/kept-state.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";
import { startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";
import { onceAsked, openStation, openStations, type Station, verdict } from "./verifier-stations.ts";

const minute = 60_000;
/** How often keys turn while tokens are verified. In the second turn, tokens of a retired key are among them. */
const keyTurns = scaled(4, { atLeast: 2 });
/** Between the rounds of a load. */
const restMs = 20;
/** Each of two servers at least once. */
const restarts = scaled(4, { atLeast: 2 });
const settings = {
  POSTERN_ACCESS_TTL: "1h",
  POSTERN_KEY_ROTATE_EVERY: "30d",
  POSTERN_KEY_PUBLISH_LEAD: "5m",
};

let two: TwoServers;
beforeAll(async () => {
  two = await startTwoServers(settings);
});
afterAll(() => two?.[Symbol.asyncDispose]());

async function command(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runPostern(["key", ...args, "--purpose", "signing", "--json"], {
    POSTERN_DATABASE_URL: two.databaseUrl,
    POSTERN_MASTER_KEY: two.masterKey,
    POSTERN_ISSUER: "https://postern.test",
    ...settings,
  });
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}
const key = async (...args: string[]): Promise<Key> => JSON.parse(await command(...args));
const keys = async (): Promise<Key[]> => JSON.parse(await command("list")).keys;

interface Key {
  readonly id: string;
  readonly state: string;
}

describe("verifiers of both servers refuse what is revoked on one of them, and nothing else", () => {
  type Ended = Awaited<ReturnType<typeof login>> & { readonly userId: string };
  type Revoke = Parameters<TwoServers["a"]["admin"]["revoke"]>[0]["target"];
  test.each<
    [string, (ended: Ended) => Revoke & object, { readonly sessionToo: boolean; readonly userToo: boolean }]
  >([
    [
      "a token",
      ({ accessToken }) => ({ case: "token", value: accessToken }),
      { sessionToo: false, userToo: false },
    ],
    [
      "a refresh token",
      ({ refreshToken }) => ({ case: "token", value: refreshToken }),
      { sessionToo: true, userToo: false },
    ],
    [
      "a session",
      ({ sessionId }) => ({ case: "sessionId", value: sessionId }),
      { sessionToo: true, userToo: false },
    ],
    ["a user", ({ userId }) => ({ case: "userId", value: userId }), { sessionToo: true, userToo: true }],
  ])("%s", async (_, target, { sessionToo, userToo }) => {
    await using stations = await openStations([two.a, two.b]);
    const [user, outsider] = [await createUser(two.a.users), await createUser(two.a.users)];
    const ended = { ...(await login(two.a.web, user.email)), userId: user.id };
    const sibling = (await refresh(two.b.web, ended.refreshToken)).accessToken;
    const other = (await login(two.b.web, user.email)).accessToken;
    const strange = (await login(two.b.web, outsider.email)).accessToken;
    const all = [ended.accessToken, sibling, other, strange];
    for (const station of stations) {
      for (const token of all) expect(await verdict(station, token)).toBe("accepted");
    }
    const answer = await answered(() => two.a.admin.revoke({ target: target(ended) }));
    const late = await login(two.b.web, user.email);
    const expected = [true, sessionToo, userToo, false, false].map((isOver) =>
      isOver ? "ERR_TOKEN_REVOKED" : "accepted",
    );
    for (const station of stations) {
      await station.knows(answer);
      const found: string[] = [];
      for (const token of [...all, late.accessToken]) found.push(await verdict(station, token));
      expect(found).toEqual(expected);
      expect(station.asked).toEqual([]);
    }
  });

  test("a client, everything", async () => {
    await using stations = await openStations([two.a, two.b]);
    const user = await createUser(two.a.users);
    for (const target of [
      { case: "clientId", value: "web" },
      { case: "everything", value: {} },
    ] as const) {
      const before = await login(two.a.web, user.email);
      const answer = await answered(() => two.a.admin.revoke({ target: target as never }));
      const after = await login(two.b.web, user.email);
      for (const station of stations) {
        await station.knows(answer);
        expect(await verdict(station, before.accessToken)).toBe("ERR_TOKEN_REVOKED");
        expect(await verdict(station, after.accessToken)).toBe("accepted");
      }
    }
  });
});

test("a tainted key: every verifier refuses its tokens, and none fetches the key set", async () => {
  await using stations = await openStations([two.a, two.b]);
  const user = await createUser(two.a.users);
  const before = await Promise.all([login(two.a.web, user.email), login(two.b.web, user.email)]);
  for (const station of stations) {
    for (const { accessToken } of before) expect(await verdict(station, accessToken)).toBe("accepted");
  }
  const { id } = await key("taint");
  expect(before.map(({ accessToken }) => kidOf(accessToken))).toEqual([id, id]);
  const after = await Promise.all([login(two.a.web, user.email), login(two.b.web, user.email)]);
  for (const { verifier, asked, ...station } of stations) {
    await poll("the key is gone", 20_000, async () => (verifier.state.kids.includes(id) ? undefined : true));
    for (const { accessToken } of before) {
      expect(await verdict({ verifier }, accessToken)).toMatch(/^ERR_(KEY_UNKNOWN|TOKEN_REVOKED)$/);
    }
    for (const { accessToken } of after) expect(await verdict({ verifier }, accessToken)).toBe("accepted");
    expect([station.name, asked]).toEqual([station.name, []]);
  }
});

test("O02: while keys turn, no verifier refuses a token, however young its key is", {
  timeout: 120_000,
}, async ({ annotate }) => {
  await using stations = await openStations([two.a, two.b]);
  const stopping = new AbortController();
  const refusals: string[] = [];
  const kids = new Set<string>();
  let verified = 0;
  let goal = 0;

  async function use(index: number): Promise<void> {
    const user = await createUser(two.a.users);
    let tokens: { refreshToken: string; accessToken: string } = await login(two.a.web, user.email);
    const old: string[] = [];
    for (let round = index; !stopping.signal.aborted; round += 1) {
      tokens = await refresh((round % 2 === 0 ? two.a : two.b).web, tokens.refreshToken);
      kids.add(kidOf(tokens.accessToken));
      // Rests unless the test waits for more: the servers and commands need the processor.
      if (verified >= goal) await wait(restMs);
      if (round % 10 === 0) old.push(tokens.accessToken);
      for (const token of [tokens.accessToken, ...old.slice(0, 5), ...old.slice(-5)]) {
        for (const station of stations) {
          const found = await verdict(station, token);
          verified += 1;
          if (found !== "accepted") refusals.push(`${station.name}: ${found}`);
        }
      }
    }
  }
  const work = Promise.all([use(0), use(1), use(2)]);
  work.catch(() => {});
  for (let turn = 0; turn < keyTurns; turn += 1) {
    goal = verified + 500;
    await poll("more verifications", 60_000, async () => (verified >= goal ? true : undefined));
    const prepared = await poll("a key is prepared", 30_000, async () =>
      (await keys()).find(({ state }) => state === "prepared"),
    );
    await poll("everybody has heard of the next key", 20_000, async () =>
      stations.every(({ verifier }) => verifier.state.kids.includes(prepared.id)) ? true : undefined,
    );
    // As if it had been published for long enough.
    await two.query(
      "update postern.keys set created_at = created_at - interval '10 minutes' where state = 'prepared'",
    );
    await key("rotate");
  }
  goal = verified + 500;
  await poll("more verifications", 60_000, async () => (verified >= goal ? true : undefined));
  stopping.abort();
  await work;
  await annotate(`${verified} verifications, ${kids.size} keys signed`);
  expect(refusals).toEqual([]);
  expect(kids.size).toBe(keyTurns + 1);
  for (const { asked, events } of stations) {
    expect(asked).toEqual([]);
    expect(events.filter(({ kind }) => kind === "keys").length).toBeGreaterThanOrEqual(keyTurns + 1);
  }
});

test("O07: two servers restarted one after the other: no verifier refuses a living token for it", {
  timeout: 180_000,
}, async ({ annotate }) => {
  const { databaseUrl, env } = two;
  const start = () => startServer({ databaseUrl, env: { ...env, POSTERN_DRAIN_DELAY: "500ms" } });
  await using disposables = new AsyncDisposableStack();
  const places: (ServerProcess | undefined)[] = await Promise.all([start(), start()]);
  disposables.defer(async () => {
    for (const place of places) await place?.stop();
  });
  // As behind a load balancer: a connection goes to a server that is ready.
  let turn = 0;
  const balancer = async (listener: "http" | "grpc") =>
    disposables.use(
      await startTcpProxy({
        host: "127.0.0.1",
        get port() {
          turn += 1;
          const ready = places.filter((place) => place !== undefined);
          return Number(new URL((ready[turn % ready.length] as ServerProcess)[listener]).port);
        },
      }),
    );
  const urls = {
    http: `http://127.0.0.1:${(await balancer("http")).port}`,
    grpc: `http://127.0.0.1:${(await balancer("grpc")).port}`,
  };
  const stations: Station[] = [];
  for (const listener of ["http", "grpc", "http", "grpc"] as const) {
    const station = await openStation(urls[listener], listener === "http" ? "1.1" : "2", {
      keysAt: urls.http,
      onStale: "refuse",
    });
    stations.push(disposables.use(station));
  }
  await Promise.all(stations.map(({ verifier }) => verifier.ready));

  const user = await createUser(two.a.users);
  const tokens: string[] = [];
  for (let round = 0; round < 20; round += 1) tokens.push((await login(two.a.web, user.email)).accessToken);
  const stopping = new AbortController();
  const faults: string[] = [];
  let slow = 0;
  let worstLagMs = 0;
  let verified = 0;
  async function verifyAll(): Promise<void> {
    while (!stopping.signal.aborted) {
      for (const { verifier, name } of stations) {
        for (const token of tokens) {
          const found = await onceAsked(verifier, token);
          verified += 1;
          if (found === "accepted") continue;
          // A stalled machine is not a fault, if it is rare.
          if (found === "ERR_FEED_STALE") slow += 1;
          else faults.push(`${name}: ${found}, ${verifier.state.lagMs} ms behind`);
        }
        worstLagMs = Math.max(worstLagMs, verifier.state.lagMs);
      }
      await wait(restMs);
    }
  }
  const verifying = verifyAll();
  verifying.catch(() => {});
  for (let restart = 0; restart < restarts; restart += 1) {
    const index = restart % 2;
    const ending = places[index];
    places[index] = undefined;
    expect(await ending?.stop()).toBe(0);
    places[index] = await start();
    const goal = verified + 2_000;
    await poll("more verifications", 60_000, async () => (verified >= goal ? true : undefined));
  }
  stopping.abort();
  await verifying;
  const ends = stations.flatMap(({ events }) => events.filter(({ kind }) => kind === "disconnected"));
  await annotate(
    `${verified} verifications, ${slow} on a slow machine, at most ${Math.round(worstLagMs)} ms behind, ${ends.length} streams ended: ${JSON.stringify(tally(ends.map((end) => `${"error" in end ? end.error : "in order"}`)))}`,
  );
  expect(faults).toEqual([]);
  expect(slow).toBeLessThan(verified / 100);
  expect(ends.length).toBeGreaterThanOrEqual(stations.length);
});

// Concurrent with the next test: both wait for timers, and use their own tokens.
test.concurrent.each(["1.1", "2"] as const)(
  "a connection that is dead without a word is given up, by HTTP/%s, and another one made",
  { timeout: 90_000 },
  async (httpVersion) => {
    const { server } = two.b;
    const port = Number(new URL(httpVersion === "2" ? server.grpc : server.http).port);
    await using dead = await startTcpProxy({ host: "127.0.0.1", port });
    let next = dead.port;
    await using outer = await startTcpProxy({
      host: "127.0.0.1",
      get port() {
        return next;
      },
    });
    const url = `http://127.0.0.1:${outer.port}`;
    await using station = await openStation(url, httpVersion, { keysAt: server.http });
    await station.verifier.ready;
    const { accessToken } = await login(two.a.web, (await createUser(two.a.users)).email);
    dead.hold();
    next = port;
    const answer = await answered(() =>
      two.a.admin.revoke({ target: { case: "token", value: accessToken } }),
    );
    await station.knows(answer);
    expect(await onceAsked(station.verifier, accessToken)).toBe("ERR_TOKEN_REVOKED");
    expect(outer.taken).toBeGreaterThanOrEqual(2);
  },
);

test.concurrent("a caller that may ask but not watch has each token judged by the issuer", async () => {
  const { server } = two.a;
  await using station = await openStation(server.http, "1.1", { token: TOKENS.resource });
  const { accessToken } = await login(two.a.web, (await createUser(two.a.users)).email);
  expect(await verdict(station, accessToken)).toBe("accepted");
  await answered(() => two.b.admin.revoke({ target: { case: "token", value: accessToken } }));
  expect(await verdict(station, accessToken)).toBe("ERR_TOKEN_REVOKED");
  const [event] = station.events;
  const error = event?.kind === "disconnected" ? event.error : undefined;
  expect(ConnectError.from(error).code).toBe(Code.PermissionDenied);
  expect(station.verifier.state.feed).toBe("starting");
});

test("N11: a restored database: verifiers read the log again, and refuse tokens of the lost history", {
  timeout: 120_000,
}, async () => {
  await using stations = await openStations([two.a, two.b]);
  const user = await createUser(two.a.users);
  const kept = await login(two.a.web, user.email);
  const ended = await login(two.b.web, user.email);
  await answered(() => two.a.admin.revoke({ target: { case: "sessionId", value: ended.sessionId } }));
  await using state = await keepState(two);
  await Promise.all([two.a, two.b].map(reconnected));
  const lostEntry = await answered(() => two.a.admin.revoke({ target: { case: "userId", value: user.id } }));
  const lost = await login(two.b.web, user.email);
  for (const station of stations) {
    await station.knows(lostEntry);
    expect(await verdict(station, kept.accessToken)).toBe("ERR_TOKEN_REVOKED");
    expect(await verdict(station, lost.accessToken)).toBe("accepted");
  }
  await state.putBack();
  await Promise.all([two.a, two.b].map(reconnected));
  for (const station of stations) {
    await poll("the log was read again", 60_000, async () =>
      station.events.some(({ kind }) => kind === "started_over") && station.verifier.state.feed === "synced"
        ? true
        : undefined,
    );
    // Its number is one that the log has not reached; a second after it was issued that is a verdict.
    await poll("the lost one is refused", 30_000, async () =>
      (await verdict(station, lost.accessToken)) === "ERR_TOKEN_REVOKED" ? true : undefined,
    );
    expect(await verdict(station, ended.accessToken)).toBe("ERR_TOKEN_REVOKED");
    // The database has forgotten them, so only `postern recover` can revoke them.
    expect(await verdict(station, kept.accessToken)).toBe("accepted");
  }
});

test("O01: a verifier whose clock is ten minutes behind goes by the issuer's, once it has heard from it", async () => {
  await using stations = await openStations([two.a, two.b]);
  await advanceClock(two.databaseUrl, 10 * minute);
  const { accessToken } = await login(two.a.web, (await createUser(two.a.users)).email);
  for (const station of stations) {
    await poll("the token is accepted", 20_000, async () =>
      (await verdict(station, accessToken)) === "accepted" ? true : undefined,
    );
  }
  const answer = await answered(() => two.b.admin.revoke({ target: { case: "token", value: accessToken } }));
  for (const station of stations) {
    await station.knows(answer);
    expect(await verdict(station, accessToken)).toBe("ERR_TOKEN_REVOKED");
  }
  // And back: what is known seems older than it is, until the next stream.
  await advanceClock(two.databaseUrl, -10 * minute);
  const later = await login(two.b.web, (await createUser(two.a.users)).email);
  for (const station of stations) {
    await poll("it is in step again", 60_000, async () =>
      station.verifier.state.feed === "synced" && station.events.at(-1)?.kind === "synced" ? true : undefined,
    );
    expect(await verdict(station, later.accessToken)).toBe("accepted");
  }
});
