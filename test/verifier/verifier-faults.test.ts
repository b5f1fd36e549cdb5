import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import {
  createVerifier,
  type FeedEvent,
  PosternError,
  type Verifier,
} from "../../services/client/src/index.ts";
import { tally } from "../support/clients/answers.ts";
import { startTcpProxy, type TcpProxy } from "../support/faults/tcp-proxy.ts";
import { poll } from "../support/poll.ts";
import { startRedis } from "../support/redis/redis.ts";
import { scaled } from "../support/run/scale.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { AUDIENCE, ISSUER, TOKENS } from "../support/servers/server-process.ts";
import { startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";
import { type KnownToken, type Load, startLoad } from "./verifier-load.ts";

const verifierCount = scaled(50, { atLeast: 10 });
const userCount = 4;
/** In the second round, both servers are killed. */
const rounds = scaled(3, { atLeast: 2 });
/** So often each verifier must have refused what it had to, in each round. */
const leastRefusals = 8;

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A verifier, and the network through which it hears of either server. */
interface Station extends AsyncDisposable {
  readonly verifier: Verifier;
  readonly proxy: TcpProxy;
  readonly events: FeedEvent[];
  /** Refusals of tokens that it must have known to be revoked. */
  refusals: number;
}

async function openStation(two: TwoServers, index: number, random: () => number): Promise<Station> {
  const isHttp2 = index % 5 === 0;
  const proxy = await startTcpProxy({
    host: "127.0.0.1",
    // Chosen for every connection: either server, at its current port.
    get port() {
      const { server } = random() < 0.5 ? two.a : two.b;
      return Number(new URL(isHttp2 ? server.grpc : server.http).port);
    },
  });
  const events: FeedEvent[] = [];
  const baseUrl = `http://127.0.0.1:${proxy.port}`;
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUri: `${baseUrl}/.well-known/jwks.json`,
    onStale: "refuse",
    revocations: { baseUrl, token: TOKENS.admin, httpVersion: isHttp2 ? "2" : "1.1" },
    onEvent: (event) => events.push(event),
  });
  return {
    verifier,
    proxy,
    events,
    refusals: 0,
    async [Symbol.asyncDispose]() {
      await verifier.close();
      await proxy.close();
    },
  };
}

/** One fault after the other, until it is stopped; then the network works again. */
async function trouble({ proxy }: Station, random: () => number, stopping: AbortSignal): Promise<void> {
  const rest = (ms: number) => wait(ms, undefined, { signal: stopping }).catch(() => {});
  while (!stopping.aborted) {
    await rest(4_000 * random());
    const fault = Math.floor(6 * random());
    if (fault === 0) proxy.cut();
    if (fault === 1) proxy.hold();
    if (fault === 2) proxy.delay(20 + 2_000 * random());
    if (fault === 3) proxy.halfClose("client");
    if (fault === 4) proxy.halfClose("server");
    // Longer than a silent server is waited for, at times.
    await rest(fault === 1 ? 9_000 * random() : 1_500 * random());
    proxy.restore();
  }
}

/** What a verifier does with a token: `accepted`, or the code of its refusal. */
async function verdict({ verifier }: Station, { text }: KnownToken): Promise<string> {
  try {
    await verifier.verify(text);
    return "accepted";
  } catch (error) {
    if (error instanceof PosternError) return error.code;
    throw error;
  }
}

/** Asks every verifier about tokens again and again, most of them young, and notes every wrong answer. */
async function judge(stations: readonly Station[], load: Load, random: () => number, stopping: AbortSignal) {
  const faults: string[] = [];
  const verdicts: string[] = [];
  const draw = (): KnownToken | undefined => {
    const span = random() < 0.7 ? Math.min(100, load.tokens.length) : load.tokens.length;
    return load.tokens[load.tokens.length - 1 - Math.floor(random() * span)];
  };
  while (!stopping.aborted) {
    for (const station of stations) {
      for (let round = 0; round < 6; round += 1) {
        const token = draw();
        if (token === undefined) continue;
        const { endedAtMs } = token;
        // Taken before the state, it makes what is known older than it is, not younger.
        const nowMs = performance.now();
        const { feed, lagMs } = station.verifier.state;
        const mustRefuse = feed === "synced" && endedAtMs !== undefined && endedAtMs <= nowMs - lagMs;
        const answer = await verdict(station, token);
        verdicts.push(answer);
        if (mustRefuse && answer === "accepted") {
          faults.push(
            `revoked ${nowMs - endedAtMs} ms ago, accepted by a verifier that is ${lagMs} ms behind`,
          );
        }
        if (mustRefuse && answer === "ERR_TOKEN_REVOKED") station.refusals += 1;
        // Of a key that is on its way to the verifier nothing can be said.
        const isLiving = token.endingAtMs === undefined;
        if (
          isLiving &&
          !["accepted", "ERR_FEED_STALE", "ERR_KEY_UNKNOWN", "ERR_UNAVAILABLE"].includes(answer)
        ) {
          faults.push(`a living token is refused: ${answer}`);
        }
      }
    }
    await wait(10);
  }
  return { faults, verdicts: tally(verdicts) };
}

test("O13: no verifier accepts a token that it must know to be revoked, under every fault of network, servers and Redis", {
  timeout: 300_000,
}, async ({ annotate }) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  await annotate(`seed ${seed}`);
  const random = randomOf(seed);
  await using disposables = new AsyncDisposableStack();
  const redis = disposables.use(await startRedis());
  const two = disposables.use(
    await startTwoServers({
      POSTERN_REDIS_URL: redis.url,
      POSTERN_ACCESS_TTL: "30m",
      POSTERN_KEY_PUBLISH_LEAD: "40m",
    }),
  );
  const stations: Station[] = [];
  for (let index = 0; index < verifierCount; index += 1) {
    stations.push(disposables.use(await openStation(two, index, random)));
  }
  const load = await startLoad(two, userCount, random);
  await Promise.all(stations.map(({ verifier }) => verifier.ready));

  const stopping = new AbortController();
  const troubles = Promise.all(stations.map((station) => trouble(station, random, stopping.signal)));
  const judging = judge(stations, load, random, stopping.signal);
  judging.catch(() => {});
  async function more(): Promise<void> {
    const goals = stations.map(({ refusals }) => refusals + leastRefusals);
    await poll("every verifier refuses more", 90_000, async () =>
      stations.every(({ refusals }, index) => refusals >= (goals[index] ?? 0)) ? true : undefined,
    );
  }
  for (let round = 0; round < rounds; round += 1) {
    await more();
    const rotated = await runPostern(["key", "rotate", "--purpose", "signing", "--now"], {
      POSTERN_DATABASE_URL: two.databaseUrl,
      POSTERN_MASTER_KEY: two.masterKey,
      POSTERN_ISSUER: ISSUER,
    });
    expect([rotated.code, rotated.stderr]).toEqual([0, ""]);
    await redis.command("FLUSHALL");
    await more();
    if (round === 1) await Promise.all([two.a.server.kill9(), two.b.server.kill9()]);
    await two.restart();
  }
  await more();
  await load.stop();
  stopping.abort();
  await troubles;
  const { faults, verdicts } = await judging;

  // Calm: each comes in step, refuses all that was revoked and accepts all that was not.
  for (const station of stations) {
    const { verifier } = station;
    await poll("it has all", 60_000, async () =>
      verifier.state.feed === "synced" && verifier.state.sequence >= load.sequence ? true : undefined,
    );
    for (const token of load.tokens) {
      const expected = token.endingAtMs === undefined ? "accepted" : "ERR_TOKEN_REVOKED";
      const answer = await poll("a verdict", 60_000, async () => {
        const found = await verdict(station, token);
        return found === "ERR_FEED_STALE" ? undefined : found;
      });
      if (answer !== expected) faults.push(`in the end ${answer}, expected ${expected}`);
    }
  }
  const kinds = stations.flatMap(({ events }) => events.map(({ kind }) => kind));
  const ended = load.tokens.filter(({ endedAtMs }) => endedAtMs !== undefined).length;
  await annotate(
    `${load.tokens.length} tokens, ${ended} of them revoked; ${JSON.stringify(verdicts)}; ${JSON.stringify(tally(kinds))}`,
  );
  expect(faults).toEqual([]);
  for (const { events } of stations)
    expect(events.filter(({ kind }) => kind === "disconnected").length).toBeGreaterThan(0);
});
