import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createUser, isActive, login, refresh, type TestUser } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { type RedisServer, startRedis } from "../support/redis/redis.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

let redis: RedisServer;
let two: TwoServers;
beforeAll(async () => {
  redis = await startRedis();
  two = await startTwoServers({ POSTERN_REDIS_URL: redis.url });
});
afterAll(async () => {
  await two?.[Symbol.asyncDispose]();
  await redis?.stop();
});

const fromRedis = 'postern_revocation_log_entries_total{source="redis"}';

test("an idle replica receives revocations through Redis", async () => {
  const user = await createUser(two.a.users);
  await poll("an entry has come through Redis", 30_000, async () => {
    const { accessToken } = await login(two.a.web, user.email);
    await two.a.web.revoke({ target: { case: "token", value: accessToken } });
    return ((await readMetrics(two.b.server.ops)).get(fromRedis) ?? 0) > 0 ? true : undefined;
  });
});

/** Who knows how to break Redis, and has nothing but Redis. */
interface Mischief {
  readonly name: string;
  readonly act: (keys: readonly string[]) => Promise<void>;
}

const mischiefs: readonly Mischief[] = [
  {
    name: "takes everything away",
    act: async () => void (await redis.command("FLUSHALL")),
  },
  {
    name: "puts another type under every key",
    async act(keys) {
      for (const key of keys) {
        await redis.command("DEL", key);
        await redis.command("HSET", key, "field", "value");
      }
    },
  },
  {
    name: "puts text under every key",
    async act(keys) {
      for (const key of keys) await redis.command("SET", key, '{"active":true,"username":"root"} root');
    },
  },
  {
    name: "swaps the users' names",
    async act(keys) {
      const names = keys.filter((key) => key.startsWith("postern:{name}:"));
      const values = await Promise.all(names.map((key) => redis.command("GET", key)));
      for (const [index, key] of names.entries())
        await redis.command("SET", key, String(values.at(index - 1)));
    },
  },
  {
    name: "writes the log's entries again, altered",
    async act() {
      const entries = (await redis.command("XRANGE", "postern:log", "-", "+")) as [string, string[]][];
      for (const [, [, entry = "", , mac = ""]] of entries) {
        const everything = JSON.stringify({ ...JSON.parse(entry), target: { kind: "everything" } });
        await redis.command("XADD", "postern:log", "*", "entry", everything, "mac", mac);
        await redis.command("XADD", "postern:log", "*", "entry", everything);
        await redis.command("XADD", "postern:log", "*", "entry", entry, "mac", mac);
      }
    },
  },
  {
    name: "leaves no room behind the log's last entry",
    act: async () =>
      void (await redis.command("XADD", "postern:log", `${2n ** 64n - 1n}-${2n ** 64n - 1n}`, "x", "y")),
  },
  {
    name: "takes the log's entries away, all but the oldest",
    act: async () => void (await redis.command("XTRIM", "postern:log", "MAXLEN", 1)),
  },
];

beforeEach(() => redis.command("FLUSHALL"));

test.for(mischiefs)("M03: an attacker who $name changes no verdict", async ({ act }) => {
  const users = [await createUser(two.a.users), await createUser(two.a.users)] as const;
  const before = await Promise.all(users.map((user) => login(two.a.web, user.email)));
  const [kept, ended] = await Promise.all([
    login(two.a.web, users[0].email),
    login(two.b.web, users[1].email),
  ]);
  await two.a.web.revoke({ target: { case: "sessionId", value: ended.sessionId } });
  await expectVerdicts(users, kept.accessToken, ended.accessToken);

  await poll("the revocation is in Redis", 10_000, async () =>
    (await redis.command("EXISTS", "postern:log")) === 1 ? true : undefined,
  );

  await act((await redis.command("KEYS", "postern:*")) as string[]);

  await expectVerdicts(users, kept.accessToken, ended.accessToken);
  const refreshed = await refresh(two.b.web, kept.refreshToken);
  await two.b.web.revoke({ target: { case: "token", value: refreshed.accessToken } });
  for (const server of [two.a, two.b]) {
    expect(await isActive(server.web, refreshed.accessToken)).toBe(false);
    for (const { accessToken } of before) expect(await isActive(server.web, accessToken)).toBe(true);
  }
  expect(await isActive(two.a.web, (await login(two.b.web, users[1].email)).accessToken)).toBe(true);
});

async function expectVerdicts(users: readonly TestUser[], kept: string, ended: string): Promise<void> {
  for (const server of [two.a, two.b]) {
    expect(await isActive(server.web, ended)).toBe(false);
    expect(await nameOf(server, kept)).toBe(users[0]?.email);
  }
}

async function nameOf({ web }: Replica, token: string): Promise<string> {
  const { active, username } = await web.introspect({ token });
  expect(active).toBe(true);
  return username;
}
