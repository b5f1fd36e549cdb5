import { availableParallelism } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tally } from "../support/clients/answers.ts";
import { each } from "../support/each.ts";
import {
  type Guess,
  guessWrong,
  knownDevice,
  limitedTo,
  newAddress,
  unmissed,
  untilRedisIsUp,
  verdict,
  WRONG,
  whereDecided,
} from "../support/load/guesses.ts";
import { createCheapUser } from "../support/people/copy-users.ts";
import { createUser, PASSWORD } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { type RedisServer, startRedis } from "../support/redis/redis.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const limits = limitedTo("account=10/1h,account_all=10/1h");
const [wrong, refused] = ["INVALID_CREDENTIALS", "RATE_LIMITED"] as const;

/** So many logins at once, over the servers in turns; what came of them. */
async function parallel(
  servers: readonly Replica[],
  guess: Guess,
  times: number,
): Promise<Record<string, number>> {
  const calls = Array.from({ length: times }, (_, index) => servers[index % servers.length] as Replica);
  return tally(await each(calls, times, ({ web }) => verdict(web, guess)));
}

/** A login of a user who has never logged in, with a hash that takes little time to check. */
async function firstLogin(two: TwoServers): Promise<Guess> {
  const { email: identifier } = await createCheapUser(two);
  return { identifier, clientAddress: newAddress() };
}

/** The same with the usual hash: concurrent guesses are then all in progress before the first one is decided. */
async function firstLoginWithUsualHash({ a }: TwoServers): Promise<Guess> {
  const { email: identifier } = await createUser(a.users);
  return { identifier, clientAddress: newAddress() };
}

describe("without Redis", () => {
  let two: TwoServers;
  beforeAll(async () => {
    two = await startTwoServers({ ...limits, POSTERN_MAX_SESSIONS: "1000" });
  });
  afterAll(() => two[Symbol.asyncDispose]());

  test("D06: of 100 wrong guesses at once exactly 10 are judged", () =>
    whereDecided(async () => {
      for (const guess of [
        await firstLoginWithUsualHash(two),
        { identifier: "nobody@postern.test", clientAddress: newAddress() },
      ]) {
        expect(await parallel([two.a], { ...guess, password: WRONG }, 100)).toEqual({
          [wrong]: 10,
          [refused]: 90,
        });
        expect(await parallel([two.a], guess, 100)).toEqual({ [refused]: 100 });
      }
    }));

  test("D06: so it is for a device, and for a known address", () =>
    whereDecided(async () => {
      const guess = await firstLoginWithUsualHash(two);
      const deviceToken = await knownDevice(two.a.web, guess);
      for (const known of [{ ...guess, deviceToken }, guess]) {
        expect(await parallel([two.a], { ...known, password: WRONG }, 100)).toEqual({
          [wrong]: 10,
          [refused]: 90,
        });
      }
    }));

  test("D06: 100 right logins at once all succeed, and none is counted", () =>
    whereDecided(async () => {
      const guess = await firstLogin(two);
      expect(await parallel([two.a], { ...guess, clientAddress: "" }, 100)).toEqual({ answered: 100 });
      expect(await guessWrong(two.a.web, { ...guess, clientAddress: "" }, 11)).toEqual({
        [wrong]: 10,
        [refused]: 1,
      });
    }));

  test("D06: of concurrent right and wrong passwords, at most the allowed number of wrong ones is checked", () =>
    whereDecided(async () => {
      const guess = await firstLoginWithUsualHash(two);
      const kinds = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? PASSWORD : WRONG));
      const verdicts = await each(kinds, 100, async (password) => ({
        password,
        verdict: await verdict(two.a.web, { ...guess, clientAddress: "", password }),
      }));
      const of = (password: string) =>
        tally(verdicts.filter((one) => one.password === password).map((one) => one.verdict));
      expect(of(WRONG)).toEqual({ [wrong]: 10, [refused]: 40 });
      const { answered = 0, RATE_LIMITED = 0, ...others } = of(PASSWORD);
      expect(answered + RATE_LIMITED).toBe(50);
      expect(others).toEqual({});
    }));

  test("each replica allows as many alone", () =>
    whereDecided(async () => {
      const guess = await firstLogin(two);
      for (const { web } of [two.a, two.b]) {
        expect(await guessWrong(web, guess, 12)).toEqual({ [wrong]: 10, [refused]: 2 });
      }
    }));

  test("D14: who gives up in the queue is not hashed, and leaves no place taken", () =>
    whereDecided(async () => {
      const guesses = [await firstLogin(two), await firstLogin(two)] as const;
      for (const guess of guesses) await guessWrong(two.b.web, guess, 9);
      const workers = Math.max(1, availableParallelism() - 1);
      // A login of an unknown user is checked against a hash with the usual cost, so this queue takes long.
      const filling = Array.from({ length: 45 * workers }, (_, index) =>
        verdict(two.b.web, { identifier: `nobody${index}@postern.test`, clientAddress: newAddress() }),
      );
      await poll("many wait to be hashed", 20_000, async () => {
        const waiting = (await readMetrics(two.b.server.ops)).get("postern_hash_queue_waiting") ?? 0;
        return waiting > 20 * workers ? true : undefined;
      });
      const ways = [{ timeoutMs: 50 }, { signal: AbortSignal.timeout(50) }];
      const given = await Promise.allSettled(
        guesses.map((guess, index) => two.b.web.login({ ...guess, password: WRONG }, ways[index])),
      );
      const aborted = expect.stringMatching(/deadline|timeout|cancel|abort/i);
      const rejected = { status: "rejected", reason: expect.objectContaining({ message: aborted }) };
      expect(given).toEqual([rejected, rejected]);
      await Promise.all(filling);
      // One failure is left: it is neither spent nor held.
      for (const guess of guesses) {
        expect(await verdict(two.b.web, { ...guess, clientAddress: newAddress() })).toBe("answered");
        expect(await guessWrong(two.b.web, guess, 2)).toEqual({ [wrong]: 1, [refused]: 1 });
      }
    }));
});

describe("with Redis", () => {
  let redis: RedisServer;
  let two: TwoServers;
  beforeAll(async () => {
    redis = await startRedis();
    two = await startTwoServers({ ...limits, POSTERN_REDIS_URL: redis.url });
  });
  afterAll(async () => {
    await two[Symbol.asyncDispose]();
    await redis.stop();
  });

  async function untilUp(): Promise<void> {
    for (const { server } of [two.a, two.b]) await untilRedisIsUp(server.ops);
  }

  const timeout = 120_000;

  test("D06 D09: of 100 wrong guesses over two servers exactly 10 are judged", { timeout }, async () => {
    const counts = await unmissed(two, async () =>
      parallel([two.a, two.b], { ...(await firstLoginWithUsualHash(two)), password: WRONG }, 100),
    );
    expect(counts).toEqual({ [wrong]: 10, [refused]: 90 });
  });

  test("D06: 100 right logins over two servers all succeed, and none is counted", { timeout }, () =>
    whereDecided(async () => {
      const guess = { ...(await firstLogin(two)), clientAddress: "" };
      expect(await parallel([two.a, two.b], guess, 100)).toEqual({ answered: 100 });
      expect(await guessWrong(two.b.web, guess, 11)).toEqual({ [wrong]: 10, [refused]: 1 });
    }),
  );

  test("D09: what one server has counted, the other one refuses", { timeout }, async () => {
    const counts = await unmissed(two, async () => {
      const guess = await firstLogin(two);
      return [await guessWrong(two.a.web, guess, 10), await guessWrong(two.b.web, guess, 2)];
    });
    expect(counts).toEqual([{ [wrong]: 10 }, { [refused]: 2 }]);
  });

  test("M03: flushed, it returns at most what the other replicas had counted", { timeout }, async () => {
    const counts = await unmissed(two, async () => {
      const guess = await firstLogin(two);
      const before = [
        await guessWrong(two.a.web, guess, 6),
        await guessWrong(two.b.web, guess, 4),
        await guessWrong(two.a.web, guess, 1),
        await guessWrong(two.b.web, guess, 1),
      ];
      await redis.command("FLUSHALL");
      return [...before, await guessWrong(two.a.web, guess, 8), await guessWrong(two.b.web, guess, 8)];
    });
    const [only, some] = [{ [refused]: 1 }, { [wrong]: 4, [refused]: 4 }];
    expect(counts).toEqual([{ [wrong]: 6 }, { [wrong]: 4 }, only, only, some, { [wrong]: 6, [refused]: 2 }]);
  });

  test(
    "M05: full, it fails no login, and allows no more guesses than one replica",
    {
      timeout,
    },
    () =>
      whereDecided(async () => {
        const [before, fresh] = [await firstLogin(two), await firstLogin(two)];
        const deviceToken = await knownDevice(two.a.web, before);
        await guessWrong(two.a.web, { ...before, clientAddress: newAddress() }, 10);
        await redis.command("CONFIG", "SET", "maxmemory", 1, "maxmemory-policy", "noeviction");
        try {
          await expect(redis.command("SET", "one", "more")).rejects.toThrow("OOM");
          for (const { web } of [two.a, two.b]) {
            expect(await verdict(web, await firstLogin(two))).toBe("answered");
            expect(await verdict(web, { ...before, deviceToken })).toBe("answered");
          }
          expect(await guessWrong(two.a.web, fresh, 12)).toEqual({ [wrong]: 10, [refused]: 2 });
          // A script that has written once may go on: Redis may count all the same, and the second server refuse all.
          const { INVALID_CREDENTIALS = 0, ...others } = await guessWrong(two.b.web, fresh, 12);
          expect(INVALID_CREDENTIALS).toBeLessThanOrEqual(10);
          expect(others).toEqual({ [refused]: 12 - INVALID_CREDENTIALS });
          const again = { ...before, clientAddress: newAddress() };
          expect(await guessWrong(two.a.web, again, 1)).toEqual({ [refused]: 1 });
        } finally {
          await redis.command("CONFIG", "SET", "maxmemory", 0);
        }
      }),
  );

  test.each([
    [
      "M09: something of another type",
      (key: string) => [
        ["DEL", key],
        ["SET", key, "poison"],
      ],
    ],
    [
      "M09: a list",
      (key: string) => [
        ["DEL", key],
        ["RPUSH", key, "poison"],
      ],
    ],
    [
      "M08: more failures than possible, without an expiry",
      (key: string) => [
        ...Array.from({ length: 20 }, (_, index) => ["ZADD", key, 9e15 + index, `outsider ${index}`]),
        ["ZADD", key, "inf", "another"],
        ["PERSIST", key],
      ],
    ],
  ])("%s under every key of a budget ends no login", { timeout }, (_, commands) =>
    whereDecided(async () => {
      const guess = await firstLogin(two);
      await redis.command("FLUSHALL");
      await guessWrong(two.a.web, guess, 4);
      const keys = (await redis.command("KEYS", "postern:budget:*")) as string[];
      expect(keys.length).toBeGreaterThan(0);
      const poison = [...keys, ...keys.map((key) => key.replace(":failed", ":held"))];
      for (const words of poison.flatMap(commands)) await redis.command(...words);
      for (const { web } of [two.b, two.a]) {
        expect(await verdict(web, { ...guess, clientAddress: newAddress() })).toBe("answered");
      }
      // The replica's own count stays.
      expect(await guessWrong(two.a.web, guess, 8)).toMatchObject({ [wrong]: 6, [refused]: 2 });
      await redis.command("FLUSHALL");
    }),
  );

  test("M02: lost and back, each replica's own counts go on", { timeout }, () =>
    whereDecided(async () => {
      const [before, during] = [await firstLogin(two), await firstLogin(two)];
      await guessWrong(two.a.web, before, 10);
      await redis.kill9();
      try {
        expect(await guessWrong(two.a.web, before, 1)).toEqual({ [refused]: 1 });
        for (const { web } of [two.a, two.b]) {
          expect(await guessWrong(web, during, 12)).toEqual({ [wrong]: 10, [refused]: 2 });
        }
        expect(await verdict(two.b.web, await firstLogin(two))).toBe("answered");
      } finally {
        await redis.restart();
      }
      await untilUp();
      for (const { web } of [two.a, two.b])
        expect(await guessWrong(web, during, 1)).toEqual({ [refused]: 1 });
      expect(await guessWrong(two.a.web, before, 1)).toEqual({ [refused]: 1 });
    }),
  );

  test(
    "M02: frozen, it delays no login for long, and thawed it locks no user out",
    {
      timeout,
    },
    () =>
      whereDecided(async () => {
        const guess = await firstLogin(two);
        await redis.freeze();
        try {
          expect(await guessWrong(two.a.web, guess, 5)).toEqual({ [wrong]: 5 });
          expect(await verdict(two.b.web, guess)).toBe("answered");
        } finally {
          await redis.thaw();
        }
        await untilUp();
        expect(await verdict(two.b.web, guess)).toBe("answered");
        expect(await guessWrong(two.a.web, { ...guess, clientAddress: newAddress() }, 6)).toEqual({
          [wrong]: 5,
          [refused]: 1,
        });
      }),
  );
});
