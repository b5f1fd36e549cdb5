import type { NodeHandler } from "../lib/node-http.ts";
import type { PublicCalls } from "../listen/public-calls.ts";
import type { Events } from "../telemetry/events.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createDeps } from "./deps.ts";
import { createEdges } from "./edges.ts";
import type { ReadyConfig } from "./embedded-config.ts";
import { auditJobs } from "./jobs/audit.ts";
import { cleaningJob } from "./jobs/cleaning.ts";
import { startJobs } from "./jobs/job.ts";
import { keyJob } from "./jobs/keys.ts";
import { keyDeps } from "./key-deps.ts";
import { openReplica } from "./replica.ts";
import type { Stores } from "./stores.ts";

export interface ServiceOptions {
  readonly config: ReadyConfig;
  readonly stores: Stores;
  readonly issuer: string;
  readonly events: Events;
  readonly metrics: Metrics;
  /** Aborted when the server drains. */
  readonly draining: AbortSignal;
  /** Aborted when the server accepts no more calls. */
  readonly closing: AbortSignal;
  readonly publicCalls: PublicCalls;
}

export interface Service extends AsyncDisposable {
  readonly handler: NodeHandler;
  /** Whether Redis answers now; undefined: there is none. */
  readonly isRedisUp: (() => Promise<boolean>) | undefined;
}

/** Loads keys and revocations, joins the use cases to the transports, and starts the background jobs. */
export async function openService(options: ServiceOptions): Promise<Service> {
  const { config, stores, issuer, events, metrics, draining, closing, publicCalls } = options;
  await using opened = new AsyncDisposableStack();
  const { material, keyPolicy } = keyDeps(config);
  const replica = opened.use(await openReplica(config, stores, material, events));
  const { redis } = replica.shared;
  metrics.readFrom({
    hashQueueWaiting: () => stores.passwordHasher.waiting,
    revocations: replica.revocations,
    pools: stores.pools,
    redis,
  });
  const deps = createDeps({ config, stores, issuer, replica, events, closing });
  opened.defer(() => deps.failedLogins.flush().catch(events.failedLoginsNotRecorded));
  opened.use(
    startJobs(
      [
        keyJob({ ...stores, material, keyPolicy }, events),
        cleaningJob(stores.cleaner, events),
        ...auditJobs(stores.audit, config.auditRetentionMs, deps.failedLogins),
      ],
      events,
    ),
  );
  const handler = createEdges({ deps, events, draining, publicCalls });
  const running = opened.move();
  return {
    handler,
    isRedisUp: redis === undefined ? undefined : () => answers(redis.send("PING")),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function answers(command: Promise<unknown>): Promise<boolean> {
  return command.then(
    () => true,
    () => false,
  );
}
