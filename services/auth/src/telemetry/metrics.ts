import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { ConnectionCount } from "../listen/listener-bounds.ts";

/** What is read when `/metrics` is asked for, rather than counted as it happens. */
export interface MetricSources {
  readonly hashQueueWaiting: () => number;
  readonly revocations: {
    readonly head: { readonly seq: number };
    readonly ageMs: number;
    readonly watchers: number;
  };
  readonly pools: () => readonly {
    readonly name: string;
    readonly used: number;
    readonly idle: number;
    readonly waiting: number;
    readonly refused: number;
  }[];
  readonly redis: { readonly isUp: boolean; readonly faults: number } | undefined;
}

/** Connections and calls of clients. */
export interface ListenerSources {
  readonly listeners: Readonly<Record<string, { readonly connections: ConnectionCount }>>;
  readonly publicCalls: { readonly refused: number };
}

export interface MetricsOptions {
  /** Lines that the log has dropped. */
  readonly droppedLines?: () => number;
}

export type Metrics = ReturnType<typeof createMetrics>;

const fastBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** What `/metrics` tells, for Prometheus; `docs/metrics.md` is made from it. */
export function createMetrics({ droppedLines = () => 0 }: MetricsOptions = {}) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name, help, labelNames: [...labelNames], registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Histogram({ name, help, labelNames: [...labelNames], buckets: fastBuckets, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name, help, labelNames: [...labelNames], registers });

  const counted = {
    calls: counter("postern_rpc_calls_total", "Calls answered, by method and outcome (`ok` or the reason).", [
      "method",
      "outcome",
    ]),
    callSeconds: histogram("postern_rpc_duration_seconds", "How long calls took, by method.", ["method"]),
    reuse: counter(
      "postern_refresh_reuse_total",
      "Refresh tokens that were shown after they had been spent; each ended its session.",
    ),
    loginLimits: counter(
      "postern_login_limits_total",
      "Logins that a budget of failed logins refused or made wait, by budget. Alert on `refused` of `total`: somebody guesses at large.",
      ["budget", "what"],
    ),
    headReads: counter(
      "postern_head_reads_total",
      "Reads of the revocation log's head, by outcome (`answered`, `failed`). Calls share them.",
      ["outcome"],
    ),
    headReadSeconds: histogram(
      "postern_head_read_duration_seconds",
      "How long a read of the head took, with what was new.",
    ),
    logEntries: counter(
      "postern_revocation_log_entries_total",
      "Entries of the revocation log that this replica took in, by where it had them from (`postgres`, `redis`).",
      ["source"],
    ),
    rewinds: counter(
      "postern_revocation_log_rewinds_total",
      "How often the revocation log was found rewound: the database was put back to an earlier state.",
    ),
    jobs: counter(
      "postern_job_runs_total",
      "Runs of the work that goes on beside calls, by job and outcome (`done`, `failed`).",
      ["job", "outcome"],
    ),
    cleanedRows: counter(
      "postern_cleaned_rows_total",
      "Rows that nobody needed any more and that this replica deleted, by kind (`sessions`, `revocations`, `addresses`).",
      ["kind"],
    ),
  };
  const read = {
    hashQueueWaiting: gauge("postern_hash_queue_waiting", "Passwords that wait to be hashed."),
    logSequence: gauge(
      "postern_revocation_log_sequence",
      "Number of the last entry that this replica knows; the difference between replicas is how far one is behind.",
    ),
    logLag: gauge(
      "postern_revocation_log_lag_seconds",
      "Age of what this replica knows of the log. It reads the head every second at least: alert above a few seconds.",
    ),
    watchers: gauge("postern_watchers", "Streams of revocations that are open."),
    connections: gauge(
      "postern_connections",
      "Open client connections, by listener (`http`, `grpc`, `ops`).",
      ["listener"],
    ),
    maxConnections: gauge(
      "postern_max_connections",
      "Maximum number of client connections, by listener; see docs/capacity.md.",
      ["listener"],
    ),
    refusedConnections: counter(
      "postern_connections_refused_total",
      "Connections refused, or ended to make room, because their listener had its maximum. Alert on any increase.",
      ["listener"],
    ),
    refusedPublicCalls: counter(
      "postern_public_calls_refused_total",
      "Calls refused or ended because too many were open on connections without a credential. Alert on any increase.",
    ),
    poolConnections: gauge(
      "postern_pool_connections",
      "Connections to Postgres, by pool and state (`used`, `idle`).",
      ["pool", "state"],
    ),
    poolWaiting: gauge("postern_pool_waiting", "Statements that wait for a connection, by pool.", ["pool"]),
    poolRefused: counter(
      "postern_pool_refused_total",
      "Statements that were given no connection in time, by pool.",
      ["pool"],
    ),
    redisUp: gauge(
      "postern_redis_up",
      "1 where Redis answers, 0 once it was silent twice in a row or refused as no master; without Redis there is no value.",
    ),
    redisFaults: counter(
      "postern_redis_faults_total",
      "Commands to Redis that were not carried out, or not sent since it was down.",
    ),
    droppedLines: counter(
      "postern_log_lines_dropped_total",
      "Lines of the log that were given up: stderr is full, closed, or nobody reads it.",
    ),
  };
  // Without Redis there is nothing to tell: 0 would mean that it is down.
  read.redisUp.remove();

  function readAll(sources: MetricSources): void {
    read.hashQueueWaiting.set(sources.hashQueueWaiting());
    read.logSequence.set(sources.revocations.head.seq);
    read.logLag.set(sources.revocations.ageMs / 1000);
    read.watchers.set(sources.revocations.watchers);
    read.poolRefused.reset();
    for (const { name: pool, used, idle, waiting, refused } of sources.pools()) {
      read.poolConnections.set({ pool, state: "used" }, used);
      read.poolConnections.set({ pool, state: "idle" }, idle);
      read.poolWaiting.set({ pool }, waiting);
      read.poolRefused.inc({ pool }, refused);
    }
    if (sources.redis === undefined) return;
    read.redisUp.set(sources.redis.isUp ? 1 : 0);
    read.redisFaults.reset();
    read.redisFaults.inc(sources.redis.faults);
  }

  function readClients({ listeners, publicCalls }: ListenerSources): void {
    read.refusedConnections.reset();
    for (const [listener, { connections }] of Object.entries(listeners)) {
      read.connections.set({ listener }, connections.open);
      read.maxConnections.set({ listener }, connections.max);
      read.refusedConnections.inc({ listener }, connections.refused);
    }
    read.refusedPublicCalls.reset();
    read.refusedPublicCalls.inc(publicCalls.refused);
  }

  let sources: MetricSources | undefined;
  let clients: ListenerSources | undefined;
  return {
    ...counted,
    registry,
    /** From now on, what is read at each asking is read from there. */
    readFrom(given: MetricSources): void {
      sources = given;
    },
    readListeners(given: ListenerSources): void {
      clients = given;
    },
    contentType: registry.contentType,
    /** In the text format of Prometheus. */
    async metrics(): Promise<string> {
      read.droppedLines.reset();
      read.droppedLines.inc(droppedLines());
      if (sources !== undefined) readAll(sources);
      if (clients !== undefined) readClients(clients);
      return registry.metrics();
    },
  };
}
