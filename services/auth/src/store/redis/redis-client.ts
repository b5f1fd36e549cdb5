import { Redis as Client, Cluster, type RedisOptions } from "ioredis";
import type { RedisTarget } from "../../domain/ports/redis-target.ts";

export type RedisClient = Client | Cluster;

/** Maximum time until a new connection answers. */
const connectMs = 1_000;

/** Time between two lookups of the nodes that have the slots. */
const slotsRefreshMs = 2_000;

/** Delay between two attempts to connect: from 50 ms to a second, with jitter. */
function retryDelayMs(times: number): number {
  return Math.min(50 * 2 ** (times - 1), 1_000) * (1 + Math.random() / 4);
}

/**
 * Connects, and retries without a limit. No command is queued while there is no connection, and none is sent again on a
 * new one: its caller has gone on without Redis.
 */
export function connectRedis(target: RedisTarget, name: string): RedisClient {
  const common = {
    username: target.username,
    password: target.password,
    db: target.db,
    connectionName: name,
    // The same form of replies from all versions: RESP3 turns some lists into maps.
    protocol: 2,
    disableClientInfo: true,
    connectTimeout: connectMs,
    disconnectTimeout: 250,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The check sends INFO, which many managed servers and ACLs refuse. ioredis then writes to the console, or never
    // becomes ready behind a proxy. Sentinel needs the check: INFO reports whether the server is still the master.
    enableReadyCheck: target.mode === "sentinel",
  } satisfies RedisOptions;
  const tls = target.tls ? {} : undefined;
  const [first = { host: "127.0.0.1", port: 6379 }] = target.hosts;
  switch (target.mode) {
    case "single":
      return new Client({ ...common, ...first, tls, retryStrategy: retryDelayMs });
    case "sentinel":
      return new Client({
        ...common,
        sentinels: [...target.hosts],
        name: target.masterName,
        role: "master",
        tls,
        enableTLSForSentinelMode: target.tls,
        sentinelTLS: tls,
        ...(target.sentinelAuth
          ? { sentinelUsername: target.username, sentinelPassword: target.password }
          : {}),
        sentinelCommandTimeout: connectMs,
        sentinelRetryStrategy: retryDelayMs,
        retryStrategy: retryDelayMs,
      });
    case "cluster": {
      const cluster = new Cluster([...target.hosts], {
        redisOptions: { ...common, tls },
        enableOfflineQueue: false,
        scaleReads: "master",
        // A command has 50 ms in total, so there is no time for many retries.
        maxRedirections: 2,
        retryDelayOnFailover: 10,
        retryDelayOnClusterDown: 10,
        retryDelayOnTryAgain: 10,
        slotsRefreshTimeout: connectMs,
        slotsRefreshInterval: 0,
        clusterRetryStrategy: retryDelayMs,
        clusterNodeRetryStrategy: retryDelayMs,
      });
      refreshSlots(cluster);
      return cluster;
    }
  }
}

/**
 * Looks up regularly which nodes have the slots: a frozen primary redirects no command, so only a lookup shows that another
 * node has taken its slots. ioredis has an option for this, but its timer starts again if the client is disconnected during
 * a lookup, and then the process never ends.
 */
function refreshSlots(cluster: Cluster): void {
  const timer = setInterval(() => cluster.refreshSlotsCache(() => {}), slotsRefreshMs).unref();
  cluster.once("end", () => clearInterval(timer));
}
