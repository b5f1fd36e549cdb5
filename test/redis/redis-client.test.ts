import { afterEach, expect, test, vi } from "vitest";
import { parseRedisUrl } from "../../services/auth/src/config/parsers/redis-url.ts";
import { warnOfEviction } from "../../services/auth/src/store/redis/eviction.ts";
import { openRedis, type Redis, RedisDownError } from "../../services/auth/src/store/redis/redis.ts";
import { poll } from "../support/poll.ts";
import { freePort } from "../support/ports.ts";
import { type RedisServer, startCluster, startRedis, startSentinel } from "../support/redis/redis.ts";

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

function open(url: string): {
  redis: Redis;
  clock: { ms: number };
  changes: boolean[];
  faults: Set<string>;
} {
  const clock = { ms: 0 };
  const changes: boolean[] = [];
  const faults = new Set<string>();
  const redis = openRedis({
    target: parseRedisUrl(url),
    monotonicMs: () => clock.ms,
    onChange: (isUp) => changes.push(isUp),
    onFault: (reason) => faults.add(reason),
  });
  opened.push(redis);
  return { redis, clock, changes, faults };
}

const isDown = expect.objectContaining({ name: RedisDownError.name });

/** Lets the breaker's rest pass, again and again, until a command is carried out. */
async function untilUp(redis: Redis, clock: { ms: number }): Promise<void> {
  await poll("Redis is up", 30_000, async () => {
    clock.ms += 1_000;
    await redis.send("PING");
    return true;
  });
}

/** The answer of Redis; the command is sent again until there is one in time. */
async function carriedOut(
  { redis, clock }: ReturnType<typeof open>,
  command: string,
  ...args: readonly (string | number)[]
): Promise<unknown> {
  const { answer } = await poll(`${command} is carried out`, 30_000, async () => {
    clock.ms += 1_000;
    return { answer: await redis.send(command, ...args) };
  });
  return answer;
}

/** Sends it until Redis counts as down, which a single silence is not enough for. */
async function untilDown(redis: Redis, command: string, ...args: readonly string[]): Promise<void> {
  await poll("Redis is down", 20_000, async () => {
    await expect(redis.send(command, ...args)).rejects.toEqual(isDown);
    return redis.isUp ? undefined : true;
  });
}

/** What keeps it from Redis, as soon as the server has said so. */
async function whyDown({ redis, clock }: ReturnType<typeof open>): Promise<string> {
  return poll("the server refuses the connection", 20_000, async () => {
    clock.ms += 1_000;
    const error: unknown = await redis.send("PING").catch((fault: unknown) => fault);
    const message =
      error instanceof RedisDownError && error.cause instanceof Error ? error.cause.message : "";
    return message.startsWith("no connection") ? message : undefined;
  });
}

async function started(options: Parameters<typeof startRedis>[0] = {}): Promise<RedisServer> {
  const server = await startRedis(options);
  opened.push(server);
  return server;
}

test("it runs commands, and reports when it is up", async () => {
  const one = open((await started()).url);
  await untilUp(one.redis, one.clock);
  expect(await carriedOut(one, "SET", "k", "v")).toBe("OK");
  expect(await carriedOut(one, "GET", "k")).toBe("v");
  expect([one.redis.isUp, one.changes.at(-1)]).toEqual([true, true]);
});

test("M02: if Redis is frozen, two commands wait, and then none until the cooldown has passed", async () => {
  const server = await started();
  const { redis, clock, changes } = open(server.url);
  await untilUp(redis, clock);
  changes.length = 0;
  await server.freeze();
  await expect(redis.send("GET", "k")).rejects.toEqual(isDown);
  expect(redis.isUp).toBe(true);
  await expect(redis.send("GET", "k")).rejects.toEqual(isDown);
  expect([redis.isUp, changes]).toEqual([false, [false]]);
  await expect(redis.send("GET", "k")).rejects.toThrow("the command was not sent");
  await server.thaw();
  await untilUp(redis, clock);
  expect(changes).toEqual([false, true]);
});

test("L14 M01: killed, no promise rejects without a handler, and it reconnects", async () => {
  const server = await started();
  const { redis, clock } = open(server.url);
  await untilUp(redis, clock);
  await server.kill9();
  await poll("a command fails", 10_000, () =>
    redis.send("PING").then(
      () => undefined,
      () => true,
    ),
  );
  await server.restart();
  await untilUp(redis, clock);
});

test("never there, it is down from the beginning", async () => {
  const { redis, changes } = open(`redis://127.0.0.1:${await freePort()}`);
  await expect(redis.send("PING")).rejects.toEqual(isDown);
  expect([redis.isUp, changes]).toEqual([false, []]);
});

test("M09: READONLY and NOREPLICAS are down, WRONGTYPE and OOM are this command's alone", async () => {
  const server = await started();
  const one = open(server.url);
  const { redis, clock } = one;
  await untilUp(redis, clock);
  await server.command("SET", "text", "x");
  await expect(redis.send("ZCARD", "text")).rejects.toEqual(isDown);
  await server.command("CONFIG", "SET", "maxmemory", "1");
  await expect(redis.send("SET", "k", "v")).rejects.toEqual(isDown);
  expect([redis.isUp, await carriedOut(one, "GET", "text")]).toEqual([true, "x"]);
  await server.command("CONFIG", "SET", "maxmemory", "0", "min-replicas-to-write", "1");
  await untilDown(redis, "SET", "k", "v");
  await server.command("CONFIG", "SET", "min-replicas-to-write", "0");
  await untilUp(redis, clock);
  await server.command("REPLICAOF", "127.0.0.1", await freePort());
  await untilDown(redis, "SET", "k", "v");
});

test("a user and a password; a wrong one is down", async () => {
  const server = await started({ user: { name: "postern", password: "p@ss:word/ä" } });
  const right = open(server.url);
  await untilUp(right.redis, right.clock);
  expect(await carriedOut(right, "ACL", "WHOAMI")).toBe("postern");
  const wrong = open(server.url.replace(/:[^:]*@/, ":wrong@"));
  expect(await whyDown(wrong)).toBe("no connection: WRONGPASS");
  expect(wrong.redis.isUp).toBe(false);
});

test("a wrong password is reported before any command is sent", async () => {
  const server = await started({ user: { name: "postern", password: "right" } });
  const { faults } = open(server.url.replace(/:[^:]*@/, ":wrong@"));
  await poll(
    "the reason is reported",
    20_000,
    async () => faults.has("no connection: WRONGPASS") || undefined,
  );
});

test("a password that changes while Postern runs is reported as the reason for the outage", async () => {
  const server = await started({ user: { name: "postern", password: "right" } });
  const one = open(server.url);
  await untilUp(one.redis, one.clock);
  await server.command("ACL", "SETUSER", "postern", "resetpass", ">other");
  await server.command("CLIENT", "KILL", "USER", "postern");
  await poll("the reason is reported", 20_000, async () => {
    await one.redis.send("PING").catch(() => {});
    return one.faults.has("no connection: WRONGPASS") || undefined;
  });
});

test("a user who lacks the right to a command is reported with the command, and no library writes outside the log", async () => {
  const server = await started();
  await server.command(
    "ACL",
    "SETUSER",
    "narrow",
    "on",
    ">secret",
    "~postern:*",
    "-@all",
    "+ping",
    "+client",
  );
  const written = vi.spyOn(console, "warn").mockImplementation(() => {});
  try {
    const one = open(server.url.replace("redis://", "redis://narrow:secret@"));
    await untilUp(one.redis, one.clock);
    await expect(one.redis.send("SET", "postern:k", "v")).rejects.toEqual(isDown);
    expect([one.redis.isUp, one.faults]).toEqual([true, new Set(["SET: NOPERM"])]);
    expect(written.mock.calls).toEqual([]);
  } finally {
    written.mockRestore();
  }
});

test("with an unknown certificate it is down", async () => {
  const server = await started({ tls: true });
  const one = open(server.url);
  expect(await whyDown(one)).toMatch(/^no connection: (UNABLE_TO_VERIFY|SELF_SIGNED|DEPTH_ZERO)/);
  expect(one.redis.isUp).toBe(false);
});

test("an answer that refuses a command ends a rest: the server is there", async () => {
  const server = await started();
  const { redis, clock } = open(server.url);
  await untilUp(redis, clock);
  await server.command("SET", "text", "x");
  await server.freeze();
  for (let times = 0; times < 2; times += 1) await expect(redis.send("GET", "text")).rejects.toEqual(isDown);
  expect(redis.isUp).toBe(false);
  await server.thaw();
  await poll("it is up again", 30_000, async () => {
    clock.ms += 1_000;
    await redis.send("ZCARD", "text").catch(() => {});
    return redis.isUp ? true : undefined;
  });
});

test("through Sentinel, a frozen master is left for the next one", { timeout: 90_000 }, async () => {
  const sentinel = await startSentinel();
  opened.push(sentinel);
  const one = open(sentinel.url);
  await untilUp(one.redis, one.clock);
  await carriedOut(one, "SET", "k", "v");
  const master = await sentinel.master();
  await master.freeze();
  await sentinel.failover();
  await untilUp(one.redis, one.clock);
  await carriedOut(one, "SET", "k", "w");
  expect(await (await sentinel.master()).command("GET", "k")).toBe("w");
  await master.thaw();
});

test("in a Cluster, a frozen master's keys are found at the next one", { timeout: 90_000 }, async () => {
  const cluster = await startCluster();
  opened.push(cluster);
  const { redis, clock } = open(cluster.url);
  await untilUp(redis, clock);
  const [master] = await cluster.masters();
  await master?.freeze();
  // A letter's slot lies with one of three masters: some of these were the frozen one's.
  for (const key of "abcdefghij") {
    await poll(`${key} is taken`, 60_000, async () => {
      clock.ms += 1_000;
      return redis.send("SET", key, "v");
    });
  }
  await master?.thaw();
});

test("an eviction policy that drops counts is reported", async () => {
  const server = await started({ settings: { maxmemory: "100mb", "maxmemory-policy": "allkeys-lru" } });
  const one = open(server.url);
  const { redis, clock } = one;
  await untilUp(redis, clock);
  const result = new Set<string>();
  const look = () => warnOfEviction(redis, (policy) => result.add(policy));
  await poll("the policy is reported", 20_000, async () => {
    clock.ms += 1_000;
    look();
    return result.size > 0 ? true : undefined;
  });
  expect(result).toEqual(new Set(["allkeys-lru"]));
  await server.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
  // Those that looked before have been answered.
  await carriedOut(one, "PING");
  result.clear();
  look();
  await carriedOut(one, "PING");
  expect(result).toEqual(new Set());
});
