import type { ConnectionCount } from "../listen/listener-bounds.ts";
import type { Instruments } from "./instruments.ts";

/** What `/metrics` reads when it is asked, rather than counted as it happens. */
export interface MetricSources {
  readonly hashQueueWaiting: () => number;
  readonly revocations: {
    readonly head: { readonly seq: number };
    readonly ageMs: number;
    readonly watchers: number;
  };
  readonly pools: () => readonly PoolSource[];
  /** Undefined: without Redis. */
  readonly redis: { readonly isUp: boolean; readonly faults: number } | undefined;
}

interface PoolSource {
  readonly name: string;
  readonly used: number;
  readonly idle: number;
  readonly waiting: number;
  readonly refused: number;
}

/** Connections and calls of clients. */
export interface ListenerSources {
  readonly listeners: Readonly<Record<string, { readonly connections: ConnectionCount }>>;
  readonly publicCalls: { readonly refused: number };
}

/** @returns sets the metrics of the passwords' queue and the revocation log */
export function createReplicaMetrics({ gauge }: Instruments) {
  const hashQueueWaiting = gauge("postern_hash_queue_waiting", "Passwords that wait to be hashed.");
  const logSequence = gauge(
    "postern_revocation_log_sequence",
    "Number of the last log entry that this replica knows. The difference between replicas is how far one is behind.",
  );
  const logLag = gauge(
    "postern_revocation_log_lag_seconds",
    "Age of what this replica knows of the revocation log. It reads the head at least once a second: alert above a few seconds.",
  );
  const watchers = gauge("postern_watchers", "Open streams of revocations.");
  return ({ hashQueueWaiting: waiting, revocations }: MetricSources): void => {
    hashQueueWaiting.set(waiting());
    logSequence.set(revocations.head.seq);
    logLag.set(revocations.ageMs / 1000);
    watchers.set(revocations.watchers);
  };
}

/** @returns sets the metrics of the listeners */
export function createListenerMetrics({ counter, gauge }: Instruments) {
  const open = gauge("postern_connections", "Open client connections, by listener (`http`, `grpc`, `ops`).", [
    "listener",
  ]);
  const max = gauge(
    "postern_max_connections",
    "Maximum number of client connections, by listener; see docs/operate/capacity.md.",
    ["listener"],
  );
  const refused = counter(
    "postern_connections_refused_total",
    "Connections refused, or ended to make room, because their listener had its maximum. Alert on any increase.",
    ["listener"],
  );
  const refusedCalls = counter(
    "postern_public_calls_refused_total",
    "Calls refused or ended because too many were open on connections without a credential. Alert on any increase.",
  );
  return ({ listeners, publicCalls }: ListenerSources): void => {
    refused.reset();
    for (const [listener, { connections }] of Object.entries(listeners)) {
      open.set({ listener }, connections.open);
      max.set({ listener }, connections.max);
      refused.inc({ listener }, connections.refused);
    }
    refusedCalls.reset();
    refusedCalls.inc(publicCalls.refused);
  };
}

/** @returns sets the metrics of the connections to Postgres and Redis */
export function createStoreMetrics({ counter, gauge }: Instruments) {
  const connections = gauge(
    "postern_pool_connections",
    "Connections to Postgres, by pool and state (`used`, `idle`).",
    ["pool", "state"],
  );
  const waiting = gauge("postern_pool_waiting", "Statements that wait for a connection, by pool.", ["pool"]);
  const refused = counter(
    "postern_pool_refused_total",
    "Statements that got no connection in time, by pool.",
    ["pool"],
  );
  const redisUp = gauge(
    "postern_redis_up",
    "1 if Redis answers; 0 after two consecutive failures, or if the server is not a primary. No value without Redis.",
  );
  // 0 would mean that Redis is down.
  redisUp.remove();
  const redisFaults = counter(
    "postern_redis_faults_total",
    "Redis commands that failed, timed out, or were not sent because Redis was down.",
  );
  return ({ pools, redis }: MetricSources): void => {
    refused.reset();
    for (const pool of pools()) {
      connections.set({ pool: pool.name, state: "used" }, pool.used);
      connections.set({ pool: pool.name, state: "idle" }, pool.idle);
      waiting.set({ pool: pool.name }, pool.waiting);
      refused.inc({ pool: pool.name }, pool.refused);
    }
    if (redis === undefined) return;
    redisUp.set(redis.isUp ? 1 : 0);
    redisFaults.reset();
    redisFaults.inc(redis.faults);
  };
}
