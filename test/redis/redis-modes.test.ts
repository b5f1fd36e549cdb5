import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { tally } from "../support/clients/answers.ts";
import { unmissed, untilRedisIsUp, verdict, WRONG } from "../support/load/guesses.ts";
import { pair } from "../support/load/races.ts";
import { createUser, isActive, login } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { type RedisNode, startCluster, startRedis, startSentinel } from "../support/redis/redis.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { startTwoServers } from "../support/servers/two-servers.ts";

type Env = Readonly<Record<string, string>>;

/** What `docs/operate/redis.md` has an operator give Postern's user. */
async function documentedRights(): Promise<string[]> {
  const text = await readFile(`${import.meta.dirname}/../../docs/operate/redis.md`, "utf8");
  const [, rights = ""] = /ACL SETUSER postern on >password (resetkeys .+)$/m.exec(text) ?? [];
  return rights.split(" ");
}

interface Site extends AsyncDisposable {
  readonly env: Env;
  /** The nodes with Postern's data. */
  readonly nodes: readonly Pick<RedisNode, "command">[];
}

interface Flavour {
  readonly name: string;
  readonly open: () => Promise<Site>;
}

const user = { name: "postern", password: "s3cret of postern" };

const flavours: readonly Flavour[] = [
  {
    name: "one server with TLS and a user",
    async open() {
      const redis = await startRedis({ tls: true, user });
      const env = { POSTERN_REDIS_URL: redis.url, NODE_EXTRA_CA_CERTS: redis.caFile ?? "" };
      return { env, nodes: [redis], [Symbol.asyncDispose]: redis.stop };
    },
  },
  {
    name: "a user with exactly the rights in docs/operate/redis.md",
    async open() {
      const redis = await startRedis({ user });
      await redis.command("ACL", "SETUSER", "postern", ...(await documentedRights()));
      return { env: { POSTERN_REDIS_URL: redis.url }, nodes: [redis], [Symbol.asyncDispose]: redis.stop };
    },
  },
  {
    name: "Sentinel",
    async open() {
      const { url, nodes, [Symbol.asyncDispose]: dispose } = await startSentinel();
      return { env: { POSTERN_REDIS_URL: url }, nodes, [Symbol.asyncDispose]: dispose };
    },
  },
  {
    name: "a Cluster",
    async open() {
      const { url, nodes, [Symbol.asyncDispose]: dispose } = await startCluster();
      return { env: { POSTERN_REDIS_URL: url }, nodes, [Symbol.asyncDispose]: dispose };
    },
  },
];

test.for(flavours)(
  "$name: entries, names and counts go through it, and no command is refused",
  { timeout: 90_000 },
  async ({ open }) => {
    await using redis = await open();
    await using two = await startTwoServers(redis.env);
    for (const { server } of [two.a, two.b]) await untilRedisIsUp(server.ops);
    for (const node of redis.nodes) await node.command("CONFIG", "RESETSTAT");
    // By the default limits ten wrong passwords are judged on one server, and ten on both together.
    const verdicts = await unmissed(two, async () => {
      const guess = { identifier: (await createUser(two.a.users)).email, password: WRONG };
      const all: string[] = [];
      do all.push(await verdict(pair(two, all.length)[0].web, guess));
      while (all.length < 30 && all.at(-1) !== "RATE_LIMITED");
      return all;
    });
    expect(tally(verdicts)).toEqual({ INVALID_CREDENTIALS: 10, RATE_LIMITED: 1 });

    const other = await createUser(two.a.users);
    await poll("an entry has come through Redis", 30_000, async () => {
      const { accessToken } = await login(two.a.web, other.email);
      expect(await isActive(two.a.web, accessToken)).toBe(true);
      await two.a.web.revoke({ target: { case: "token", value: accessToken } });
      const metrics = await readMetrics(two.b.server.ops);
      return (metrics.get('postern_revocation_log_entries_total{source="redis"}') ?? 0) > 0
        ? true
        : undefined;
    });
    expect((await Promise.all(redis.nodes.map(refusals))).flat()).toEqual([]);
  },
);

/**
 * The commands of which a server has refused or failed some since its counts were reset. A slow moment of the machine
 * is none of these. A script that is not there yet is sent then: what does not work of scripts shows in the counts.
 */
async function refusals(node: Pick<RedisNode, "command">): Promise<string[]> {
  const info = String(await node.command("INFO", "commandstats"));
  const counts = /^cmdstat_([^:]+):.*rejected_calls=(\d+),failed_calls=(\d+)/gm;
  return (
    [...info.matchAll(counts)]
      // What the library says of itself, as soon as it connects.
      .filter(([, name]) => !name?.startsWith("client|"))
      .filter(([, name, rejected, failed]) => rejected !== "0" || (failed !== "0" && name !== "evalsha"))
      .map(([line]) => line)
  );
}
