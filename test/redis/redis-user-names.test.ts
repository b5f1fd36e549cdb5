import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { parseRedisUrl } from "../../services/auth/src/config/parsers/redis-url.ts";
import { createMac } from "../../services/auth/src/crypto/mac.ts";
import { keys } from "../../services/auth/src/store/redis/keys.ts";
import { openRedis, type Redis } from "../../services/auth/src/store/redis/redis.ts";
import { createUserNames } from "../../services/auth/src/store/redis/user-names.ts";
import { poll } from "../support/poll.ts";
import { type RedisServer, startRedis } from "../support/redis/redis.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  const target = parseRedisUrl(server.url);
  redis = openRedis({ target, monotonicMs: () => performance.now(), onChange: () => {}, onFault: () => {} });
  await poll("Redis is up", 10_000, () => redis.send("PING"));
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await server.stop();
});

const names = new Map([
  ["u1", "ada"],
  ["u2", "bob has spaces"],
]);
let reads: string[];
beforeEach(async () => {
  reads = [];
  await server.command("FLUSHALL");
});
const source = {
  readMany: async (userIds: ReadonlySet<string>) => {
    reads.push(...userIds);
    return new Map([...names].filter(([userId]) => userIds.has(userId)));
  },
};
const mac = createMac([randomBytes(32)], "user names");
const userNames = createUserNames({ redis: { send: (...words) => redis.send(...words) }, mac, source });
const read = async (userId: string) => (await userNames.readMany(new Set([userId]))).get(userId);
const cached = (userId: string) =>
  poll(
    "the name is cached",
    10_000,
    async () => (await server.command("GET", keys.userName(userId))) ?? undefined,
  );

test("a name is read once, and lives for a minute", async () => {
  expect(await read("u2")).toBe("bob has spaces");
  await cached("u2");
  expect(await read("u2")).toBe("bob has spaces");
  expect(reads).toEqual(["u2"]);
  expect(await server.command("PTTL", keys.userName("u2"))).toBeGreaterThan(0);
});

test("of many, only those that are missing are read", async () => {
  await read("u2");
  await cached("u2");
  reads = [];
  expect(await userNames.readMany(new Set(["u1", "u2", "u3"]))).toEqual(names);
  expect(reads).toEqual(["u1", "u3"]);
});

test("a user who is not there is not remembered", async () => {
  expect(await read("u3")).toBeUndefined();
  expect(await read("u3")).toBeUndefined();
  expect(reads).toEqual(["u3", "u3"]);
});

test("an attacker's value is not shown: forged, altered, another user's, of another type", async () => {
  await read("u1");
  await read("u2");
  const [one, other] = [String(await cached("u1")), String(await cached("u2"))];
  const key = keys.userName("u1");
  for (const value of ["root", "x root", `${one}!`, other, ""]) {
    await server.command("SET", key, value);
    expect(await read("u1")).toBe("ada");
  }
  await server.command("DEL", key);
  await server.command("HSET", key, "name", "root");
  expect(await read("u1")).toBe("ada");
});

test("M02: with Redis frozen names come from their source", async () => {
  await read("u1");
  await cached("u1");
  reads = [];
  await server.freeze();
  try {
    expect(await read("u1")).toBe("ada");
    expect(reads).toEqual(["u1"]);
  } finally {
    await server.thaw();
  }
});
