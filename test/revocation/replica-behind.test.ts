import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clean } from "../../services/auth/src/domain/cleaning/clean.ts";
import { answered, refusal } from "../support/clients/answers.ts";
import { createUser, isActive, login, refresh } from "../support/people/people.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { suitePolicy } from "../support/postgres/session-bench.ts";
import { openStores } from "../support/postgres/stores.ts";
import { type RedisServer, startRedis } from "../support/redis/redis.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis?.stop());

const minute = 60_000;

async function cleanRevocations({ databaseUrl }: TwoServers): Promise<number> {
  await using stores = openStores(databaseUrl, suitePolicy);
  let cleaned = 0;
  await clean(
    {
      cleaner: stores.cleaner,
      monotonicMs: () => performance.now(),
      pause: (ms) => wait(ms),
      onCleaned(kind, rows) {
        if (kind === "revocations") cleaned += rows;
      },
    },
    new AbortController().signal,
  );
  return cleaned;
}

/** Suspends the process. */
function freeze({ server }: Replica): Disposable {
  process.kill(server.pid, "SIGSTOP");
  return { [Symbol.dispose]: () => void process.kill(server.pid, "SIGCONT") };
}

const revokeSession = ({ web }: Replica, sessionId: string) =>
  answered(() => web.revoke({ target: { case: "sessionId", value: sessionId } }));

async function numberOf({ server }: Replica): Promise<number | undefined> {
  return (await readMetrics(server.ops)).get("postern_revocation_log_sequence");
}

test.each([
  ["Postgres alone", () => undefined, () => Promise.resolve()],
  ["the live list as well", () => redis.url, () => Promise.resolve()],
  ["a live list that was flushed in between", () => redis.url, () => redis.command("FLUSHALL")],
])(
  "a replica so far behind that entries are gone, with %s: nothing revoked is alive, and it is no rewind",
  { timeout: 90_000 },
  async (_, redisUrl, flush) => {
    const url = redisUrl();
    await using two = await startTwoServers({
      POSTERN_ACCESS_TTL: "1h",
      ...(url === undefined ? {} : { POSTERN_REDIS_URL: url }),
    });
    const { a, b } = two;
    const user = await createUser(a.users);
    const [kept, early, middle, late] = [
      await login(a.web, user.email),
      await login(b.web, user.email),
      await login(b.web, user.email),
      await login(a.web, user.email),
    ];
    const another = await login(a.web, (await createUser(a.users)).email);
    expect(await isActive(b.web, early.accessToken)).toBe(true);
    const before = await numberOf(b);
    let fresh: Awaited<ReturnType<typeof login>>;
    {
      using _frozen = freeze(b);
      await revokeSession(a, early.sessionId);
      await flush();
      await advanceClock(two.databaseUrl, 40 * minute);
      await revokeSession(a, middle.sessionId);
      // An entry that goes before older ones do: the token has 20 minutes left.
      await answered(() => a.web.revoke({ target: { case: "token", value: another.accessToken } }));
      await advanceClock(two.databaseUrl, 83 * minute);
      await flush();
      fresh = await login(a.web, user.email);
      expect(await isActive(a.web, fresh.accessToken)).toBe(true);
      await answered(() => a.web.revoke({ target: { case: "token", value: fresh.accessToken } }));
      await revokeSession(a, late.sessionId);
      // That of `early`, and that of the token.
      expect(await cleanRevocations(two)).toBe(2);
      expect(await two.query("select kind from postern.revocations order by seq")).toEqual([
        { kind: "session" },
        { kind: "token" },
        { kind: "session" },
      ]);
    }
    for (const replica of [b, a]) {
      expect(await isActive(replica.web, fresh.accessToken)).toBe(false);
      for (const { accessToken, refreshToken } of [early, middle, late]) {
        expect(await isActive(replica.web, accessToken)).toBe(false);
        expect(await isActive(replica.web, refreshToken)).toBe(false);
        expect(await refusal(refresh(replica.web, refreshToken))).toBe("SESSION_ENDED");
      }
      const { accessToken } = await refresh(replica.web, kept.refreshToken);
      expect(await isActive(replica.web, accessToken)).toBe(true);
      expect((await readMetrics(replica.server.ops)).get("postern_revocation_log_rewinds_total")).toBe(0);
      expect(replica.server.logs.filter(({ event }) => event === "log_rewound")).toEqual([]);
      expect(await numberOf(replica)).toBe((before ?? 0) + 5);
    }
    expect(await two.query("select from postern.audit where event = 'log_rewound'")).toEqual([]);
  },
);
