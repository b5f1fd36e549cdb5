import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { Cluster, Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { poll } from "../support/poll.ts";
import { type RedisNode, startCluster, startRedis, startSentinel } from "../support/redis/redis.ts";

/** Whole groups of servers start, and failovers take their time: the tests of them run at the same time. */
const slow = 90_000;

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function role(node: RedisNode): Promise<unknown> {
  return ((await node.command("ROLE")) as unknown[])[0];
}

/** What a client gets that comes in by `url`: the answer, or the first fault. */
async function whoAmI(url: string, options: { tls?: { ca: string } } = {}): Promise<unknown> {
  const client = new Redis(url, { ...options, lazyConnect: true, retryStrategy: () => null });
  const fault = new Promise((resolve) => client.once("error", resolve));
  try {
    await client.connect();
    return await client.acl("WHOAMI");
  } catch (error) {
    // The reason of a closed connection is reported with the call that failed.
    return /closed/.test(String(error)) ? await fault : error;
  } finally {
    client.disconnect();
  }
}

describe("a Redis for tests", () => {
  test("answers, and throws what is an error", async () => {
    await using redis = await startRedis({
      settings: { maxmemory: "8mb", "maxmemory-policy": "noeviction" },
    });
    expect(await redis.command("SET", "number", 1)).toBe("OK");
    expect(await redis.command("INCR", "number")).toBe(2);
    await expect(redis.command("LPUSH", "number", "x")).rejects.toThrow("WRONGTYPE");
    expect(await redis.command("CONFIG", "GET", "maxmemory*")).toEqual(
      expect.arrayContaining(["maxmemory", "8388608", "maxmemory-policy", "noeviction"]),
    );
    expect(await whoAmI(redis.url)).toBe("default");
  });

  test("stalls while frozen, is gone when killed, and restarts empty on its port", async () => {
    await using redis = await startRedis();
    await using other = await startRedis();
    await redis.command("SET", "key", "value");
    await redis.freeze();
    const answer = redis.command("GET", "key").then((value) => ({ value, thawed }));
    let thawed = false;
    for (let round = 0; round < 1_000; round++) await other.command("PING");
    thawed = true;
    await redis.thaw();
    expect(await answer).toEqual({ value: "value", thawed: true });

    await redis.freeze();
    await redis.kill9();
    await redis.kill9();
    expect(await isListening(redis.port)).toBe(false);
    await expect(redis.command("PING")).rejects.toThrow();
    await expect(redis.freeze()).rejects.toThrow("not running");
    await redis.restart();
    expect(await redis.command("GET", "key")).toBeNull();
  });

  test("ends in good order at a restart, also a frozen one: what it is to save is there again", async () => {
    await using redis = await startRedis({ settings: { save: "3600 1" } });
    await redis.command("SET", "key", "value");
    await redis.freeze();
    await redis.restart();
    expect(await redis.command("GET", "key")).toBe("value");
  });

  test("says why it does not start", async () => {
    await expect(startRedis({ settings: { "maxmemory-policy": "most" } })).rejects.toThrow(
      /ended at its start[\s\S]*must be one of the following/,
    );
  });

  test("speaks TLS, and knows one user only, whose rights can be taken", async () => {
    const user = { name: "postern", password: "p/ss:w@rd" };
    await using redis = await startRedis({ tls: true, user });
    expect(redis.url).toBe(`rediss://postern:p%2Fss%3Aw%40rd@127.0.0.1:${redis.port}`);
    const tls = { ca: await readFile(redis.caFile ?? "", "utf8") };
    expect(await whoAmI(redis.url, { tls })).toBe("postern");
    expect(await whoAmI(redis.url)).toMatchObject({ code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
    const anonymous = `rediss://127.0.0.1:${redis.port}`;
    expect(await whoAmI(anonymous, { tls })).toMatchObject({ message: expect.stringContaining("NOAUTH") });
    expect(await whoAmI(redis.url.replace("rediss:", "redis:"))).toBeInstanceOf(Error);

    await redis.command("ACL", "SETUSER", "postern", "-acl");
    expect(await whoAmI(redis.url, { tls })).toMatchObject({ message: expect.stringContaining("NOPERM") });
    await redis.restart();
    expect(await whoAmI(redis.url, { tls })).toBe("postern");
  });
});

describe.concurrent("a Redis with Sentinel for tests", () => {
  test(
    "makes a copy the master that missed the last writes, and the old master a copy of it",
    async () => {
      await using redis = await startSentinel();
      const [first, second] = redis.nodes as [RedisNode, RedisNode];
      expect(await redis.master()).toBe(first);
      await first.command("SET", "seen", "yes");
      await first.command("WAIT", 1, 0);

      expect(await redis.cutCopy()).toBe(second);
      await first.command("SET", "missed", "yes");
      await first.kill9();
      await second.thaw();
      await poll("the copy is the master", 30_000, async () =>
        (await redis.master()) === second ? true : undefined,
      );
      expect(await second.command("MGET", "seen", "missed")).toEqual(["yes", null]);
      expect(await second.command("SET", "seen", "again")).toBe("OK");

      await first.restart();
      await poll("the old master is a copy", 30_000, async () =>
        (await first.command("GET", "seen")) === "again" && (await role(first)) === "slave"
          ? true
          : undefined,
      );
    },
    slow,
  );

  test(
    "fails over on command, there and back, and leads clients to the master",
    async () => {
      await using redis = await startSentinel();
      const [first, second] = redis.nodes as [RedisNode, RedisNode];
      const [, hosts = "", name = ""] = /^redis\+sentinel:\/\/([^/]+)\/(.+)$/.exec(redis.url) ?? [];
      const sentinels = hosts
        .split(",")
        .map((one) => ({ host: "127.0.0.1", port: Number(one.split(":")[1]) }));
      expect(sentinels.map(({ port }) => port)).toEqual(redis.sentinels.map(({ port }) => port));
      for (const next of [second, first]) {
        await redis.failover();
        expect(await redis.master()).toBe(next);
        expect(await role(next)).toBe("master");
        const client = new Redis({ sentinels, name });
        await client.set("by", next.port);
        client.disconnect();
        expect(await next.command("GET", "by")).toBe(String(next.port));
      }
      await redis.sentinels[0]?.kill9();
      await redis.failover();
      expect(await redis.master()).toBe(second);
    },
    slow,
  );
});

describe.concurrent("a Redis Cluster for tests", () => {
  test(
    "replaces a master that is killed, and one that is frozen, which come back as copies",
    async () => {
      await using redis = await startCluster();
      const ports = redis.nodes.map(({ port }) => port);
      expect(redis.url).toBe(`redis+cluster://${ports.map((port) => `127.0.0.1:${port}`).join(",")}`);
      expect(await redis.masters()).toEqual(redis.nodes.slice(0, 3));
      const lost = redis.nodes.slice(0, 2) as [RedisNode, RedisNode];
      await lost[0].kill9();
      await replaced(lost[0]);
      await lost[1].freeze();
      await replaced(lost[1]);
      expect(await redis.masters()).toEqual(redis.nodes.slice(2, 5));

      await lost[0].restart();
      await lost[1].thaw();
      for (const node of lost) {
        await poll("a lost master is a copy", 30_000, async () =>
          (await role(node)) === "slave" ? true : undefined,
        );
      }
      const client = new Cluster(ports.map((port) => ({ host: "127.0.0.1", port })));
      const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`);
      for (const key of keys) expect(await client.set(key, key)).toBe("OK");
      for (const key of keys) expect(await client.get(key)).toBe(key);
      client.disconnect();

      async function replaced(node: RedisNode): Promise<void> {
        await poll("a copy is the master", 30_000, async () =>
          (await redis.masters()).includes(node) ? undefined : true,
        );
      }
    },
    slow,
  );
});

describe.concurrent("what tests started of Redis", () => {
  test(
    "is gone with them when they end, and when their process is killed",
    async () => {
      const redis = await startRedis({ user: { name: "postern", password: "secret" } });
      const [, dir] = (await redis.command("CONFIG", "GET", "dir")) as [string, string];
      await redis.stop();
      expect(await isListening(redis.port)).toBe(false);
      expect(existsSync(dir)).toBe(false);

      const holder = spawn(process.execPath, [`${import.meta.dirname}/../support/redis/redis-holder.ts`], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      // None where it ends instead; why is on stderr.
      const { value: line } = await createInterface(holder.stdout)[Symbol.asyncIterator]().next();
      const { ports, folder } = JSON.parse(String(line)) as { ports: number[]; folder: string };
      expect(await Promise.all(ports.map(isListening))).toEqual(Array(12).fill(true));
      const exit = once(holder, "exit");
      holder.kill("SIGKILL");
      await exit;
      await poll("nothing is left", 30_000, async () => {
        const left = await Promise.all(ports.map(isListening));
        return left.includes(true) || existsSync(folder) ? undefined : true;
      });
    },
    slow,
  );
});
