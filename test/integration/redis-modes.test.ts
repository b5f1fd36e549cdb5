import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { readMetrics } from "../support/metrics.ts";
import { poll } from "../support/poll.ts";
import { startCluster, startRedis, startSentinel } from "../support/redis.ts";
import { createUser, isActive, login, startTwoServers, type TwoServers } from "./two-servers.ts";

type Env = Readonly<Record<string, string>>;

/** What `docs/redis.md` has an operator give Postern's user. */
async function documentedRights(): Promise<string[]> {
  const text = await readFile(`${import.meta.dirname}/../../docs/redis.md`, "utf8");
  const [, rights = ""] = /ACL SETUSER postern on >password (resetkeys .+)$/m.exec(text) ?? [];
  return rights.split(" ");
}

interface Flavour {
  readonly name: string;
  readonly open: () => Promise<AsyncDisposable & { readonly env: Env }>;
}

const flavours: readonly Flavour[] = [
  {
    name: "one server with TLS and a user",
    async open() {
      const redis = await startRedis({ tls: true, user: { name: "postern", password: "s3cret of its own" } });
      const env = { POSTERN_REDIS_URL: redis.url, NODE_EXTRA_CA_CERTS: redis.caFile ?? "" };
      return { env, [Symbol.asyncDispose]: redis.stop };
    },
  },
  {
    name: "a user who may do what docs/redis.md says, and no more",
    async open() {
      const redis = await startRedis({ user: { name: "postern", password: "s3cret of its own" } });
      await redis.command("ACL", "SETUSER", "postern", ...(await documentedRights()));
      return { env: { POSTERN_REDIS_URL: redis.url }, [Symbol.asyncDispose]: redis.stop };
    },
  },
  {
    name: "Sentinel",
    async open() {
      const sentinel = await startSentinel();
      return {
        env: { POSTERN_REDIS_URL: sentinel.url },
        [Symbol.asyncDispose]: sentinel[Symbol.asyncDispose],
      };
    },
  },
  {
    name: "a Cluster",
    async open() {
      const cluster = await startCluster();
      return { env: { POSTERN_REDIS_URL: cluster.url }, [Symbol.asyncDispose]: cluster[Symbol.asyncDispose] };
    },
  },
];

test.for(flavours)(
  "$name: entries, names and counts go through it, and no command fails",
  { timeout: 90_000 },
  async ({ open }) => {
    await using redis = await open();
    await using two = await startTwoServers(redis.env);
    await untilUp(two);
    const before = await faults(two);
    const user = await createUser(two.a);
    for (let times = 0; times < 6; times++) {
      for (const server of [two.a, two.b]) {
        const wrong = server.web.login({ identifier: user.email, password: "wrong as can be" });
        await expect(wrong).rejects.toThrow();
      }
    }
    const refused = two.b.web.login({ identifier: user.email, password: "wrong as can be" });
    await expect(refused).rejects.toThrow("too many failed logins");

    const other = await createUser(two.a);
    await poll("an entry has come through Redis", 30_000, async () => {
      const { accessToken } = await login(two.a, other.email);
      expect(await isActive(two.a, accessToken)).toBe(true);
      await two.a.web.revoke({ target: { case: "token", value: accessToken } });
      const metrics = await readMetrics(two.b.server.ops);
      return (metrics.get('postern_revocation_log_entries_total{source="redis"}') ?? 0) > 0
        ? true
        : undefined;
    });
    expect(await faults(two)).toBe(before);
  },
);

async function untilUp({ a, b }: TwoServers): Promise<void> {
  await poll("both servers have their Redis", 30_000, async () => {
    const up = await Promise.all(
      [a, b].map(async ({ server }) => (await readMetrics(server.ops)).get("postern_redis_up")),
    );
    return up.every((one) => one === 1) ? true : undefined;
  });
}

async function faults({ a, b }: TwoServers): Promise<number> {
  const both = await Promise.all([a, b].map(({ server }) => readMetrics(server.ops)));
  return both.reduce((sum, metrics) => sum + (metrics.get("postern_redis_faults_total") ?? 0), 0);
}
