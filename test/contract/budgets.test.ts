import type { Redis as Client, Cluster } from "ioredis";
import { describe, expect, test } from "vitest";
import { parseRedisUrl } from "../../services/auth/src/config/parsers/redis-url.ts";
import { createMac } from "../../services/auth/src/crypto/mac.ts";
import { type Budget, reservationMs } from "../../services/auth/src/domain/ports/budget-store.ts";
import { createOwnBudgets } from "../../services/auth/src/store/memory/budget-store.ts";
import { createBudgetStore } from "../../services/auth/src/store/redis/budget-store.ts";
import { type Redis, RedisDownError } from "../../services/auth/src/store/redis/redis.ts";
import { connectRedis } from "../../services/auth/src/store/redis/redis-client.ts";
import { poll } from "../support/poll.ts";
import { newId } from "../support/postgres/stores.ts";
import { type RedisNode, startCluster, startRedis } from "../support/redis/redis.ts";
import { type BudgetStoreFixture, budgetStoreSuite } from "./budget-store.suite.ts";

const mac = createMac([new Uint8Array(32).fill(7)], "login budgets");

/** The way to Redis, but for the patience: how long an answer takes is not what is tested here. */
async function connect(url: string): Promise<Redis> {
  const client: Client | Cluster = connectRedis(parseRedisUrl(url), "test");
  client.on("error", () => {});
  const send: Redis["send"] = async (command, ...args) => {
    try {
      return await client.call(command, ...args);
    } catch (error) {
      throw new RedisDownError("A Redis command failed or timed out.", { cause: error });
    }
  };
  await poll("Redis is there", 20_000, () => send("PING"));
  return { send, isUp: true, faults: 0, [Symbol.asyncDispose]: async () => client.disconnect() };
}

/** Brings the end of everything that a budget holds nearer. */
async function advanceClock(nodes: readonly RedisNode[], ms: number): Promise<void> {
  for (const { command } of nodes) {
    for (const key of (await command("KEYS", "postern:budget:*")) as string[]) {
      for (const member of (await command("ZRANGE", key, 0, -1)) as string[]) {
        await command("ZINCRBY", key, -ms, member);
      }
    }
  }
}

async function openRedisBudgets(
  url: string,
  nodes: readonly RedisNode[],
  server: AsyncDisposable,
): Promise<BudgetStoreFixture> {
  const both = [await connect(url), await connect(url)] as const;
  return {
    stores: [createBudgetStore(both[0], mac), createBudgetStore(both[1], mac)],
    advanceClock: (ms) => advanceClock(nodes, ms),
    async [Symbol.asyncDispose]() {
      for (const redis of both) await redis[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("a replica's own", () => {
  budgetStoreSuite(async () => {
    const clock = { ms: 0 };
    const store = createOwnBudgets({ nowMs: () => clock.ms });
    return {
      stores: [store, store],
      async advanceClock(ms) {
        clock.ms += ms;
      },
      async [Symbol.asyncDispose]() {},
    };
  });
});

describe("in one Redis", () => {
  budgetStoreSuite(async () => {
    const redis = await startRedis();
    return openRedisBudgets(redis.url, [redis], redis);
  });
});

describe("in a Cluster", () => {
  budgetStoreSuite(async () => {
    const cluster = await startCluster();
    return openRedisBudgets(cluster.url, await cluster.masters(), cluster);
  });
});

describe("data in Redis", () => {
  const budget: Budget = {
    name: "account",
    key: "alice@example.com\x00192.0.2.1",
    count: 2,
    windowMs: 60_000,
  };

  async function open() {
    const server = await startRedis();
    const redis = await connect(server.url);
    const { command } = server;
    return {
      command,
      store: createBudgetStore(redis, mac),
      /** Another key of the master. */
      foreign: createBudgetStore(redis, createMac([new Uint8Array(32).fill(8)], "login budgets")),
      keys: async () => ((await command("KEYS", "*")) as string[]).sort(),
      async [Symbol.asyncDispose]() {
        await redis[Symbol.asyncDispose]();
        await server.stop();
      },
    };
  }

  async function failed(store: ReturnType<typeof createBudgetStore>): Promise<void> {
    const reservation = newId();
    await store.reserve(budget, reservation);
    await store.settle(budget, reservation, true);
  }

  test("a retried reservation, after a lost answer, has one place", async () => {
    await using site = await open();
    for (const reservation of ["one", "one", "two", "two", "one"]) {
      expect(await site.store.reserve(budget, reservation)).toEqual({ kind: "reserved" });
    }
    expect(await site.store.reserve(budget, "three")).toEqual({ kind: "busy" });
  });

  test("contains no text from clients, and every key expires", async () => {
    await using redis = await open();
    await failed(redis.store);
    await redis.store.reserve(budget, newId());
    const keys = await redis.keys();
    expect(keys).toEqual([
      expect.stringMatching(/^postern:budget:\{[\w-]{43}\}:failed$/),
      expect.stringMatching(/^postern:budget:\{[\w-]{43}\}:held$/),
    ]);
    const lives = await Promise.all(keys.map((key) => redis.command("PTTL", key)));
    for (const [index, longest] of [budget.windowMs, reservationMs].entries()) {
      expect(lives[index]).toBeGreaterThan(0);
      expect(lives[index]).toBeLessThanOrEqual(longest);
    }
  });

  test("another master key counts for itself", async () => {
    await using redis = await open();
    await failed(redis.store);
    await failed(redis.store);
    expect(await redis.foreign.reserve(budget, newId())).toEqual({ kind: "reserved" });
  });

  test("M09: something of another type under either key: the store is down for that budget alone", async () => {
    await using redis = await open();
    await failed(redis.store);
    await redis.store.reserve(budget, newId());
    for (const key of await redis.keys()) {
      await redis.command("RENAME", key, "aside");
      await redis.command("SET", key, "poison");
      await expect(redis.store.reserve(budget, newId())).rejects.toMatchObject({ reason: "UNAVAILABLE" });
      await redis.command("RENAME", "aside", key);
    }
    await redis.command("SET", (await redis.keys())[0] ?? "", "poison");
    await expect(redis.store.settle(budget, newId(), true)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect(await redis.store.reserve({ ...budget, key: "bob" }, newId())).toEqual({ kind: "reserved" });
  });

  test("M08: what would be remembered for longer than it may be is dropped, and ends no login", async () => {
    await using redis = await open();
    await failed(redis.store);
    await redis.store.reserve(budget, newId());
    for (const key of await redis.keys()) {
      for (const [index, score] of ["inf", "1e300", String(Date.now() + 86_400_000), "-inf"].entries()) {
        await redis.command("ZADD", key, score, `outsider ${index}`);
      }
      await redis.command("PERSIST", key);
    }
    expect(await redis.store.reserve(budget, newId())).toEqual({ kind: "busy" });
    const sizes = await Promise.all((await redis.keys()).map((key) => redis.command("ZCARD", key)));
    expect(sizes).toEqual([1, 1]);
  });

  test("a flushed server counts from zero", async () => {
    await using redis = await open();
    await failed(redis.store);
    await failed(redis.store);
    expect(await redis.store.reserve(budget, newId())).toMatchObject({ kind: "spent" });
    await redis.command("FLUSHALL");
    await redis.command("SCRIPT", "FLUSH");
    const reservation = newId();
    expect(await redis.store.reserve(budget, reservation)).toEqual({ kind: "reserved" });
    await redis.store.settle(budget, reservation, true);
    expect(await redis.keys()).toHaveLength(1);
  });
});
