import { setTimeout as wait } from "node:timers/promises";
import type { Logger } from "pino";
import type { Readiness } from "../http/ops.ts";
import { createPublicCalls } from "../listen/public-calls.ts";
import { describeFault, lastingFault } from "../store/postgres/connection-faults.ts";
import { createEvents } from "../telemetry/events.ts";
import type { LogSink } from "../telemetry/log-sink.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import type { ReadyConfig } from "./embedded-config.ts";
import { createFirstAdminOf } from "./first-admin.ts";
import { openListeners } from "./listeners.ts";
import { prepareDatabase, untilReady } from "./preparation.ts";
import { readLimits, warnAboutLittleMemory, warnAboutPublicRights } from "./resources.ts";
import { openService, type Service } from "./service.ts";
import { openStores, type Stores } from "./stores.ts";

export interface Server {
  readonly urls: { readonly http: string; readonly grpc: string; readonly ops: string };
  readonly stores: Stores;
  /** Whether this start created the first administrator. */
  readonly madeAdmin: boolean;
  /**
   * Turns readiness off and serves calls for the drain delay. Then accepts no more calls, answers open calls for the drain
   * timeout, and closes the stores.
   * @param forceStop ends the drain delay
   */
  stop(forceStop: AbortSignal): Promise<void>;
}

/** The log, and where its lines go. */
export interface ServerLog {
  readonly log: Logger;
  readonly sink: Pick<LogSink, "dropped">;
}

/**
 * Starts to listen, then waits for the database without a limit. Until the database is there, `/livez` answers 200, and
 * `/readyz` and every call 503.
 * @throws {MasterKeyError} {SchemaError}, {ConfigError}, and faults of the database that waiting does not fix
 */
export async function startServer(
  config: ReadyConfig,
  { log, sink }: ServerLog,
  stopping: AbortSignal,
): Promise<Server> {
  await using opened = new AsyncDisposableStack();
  const metrics = createMetrics({ droppedLines: () => sink.dropped });
  const events = createEvents(log, metrics);
  warnAboutLittleMemory(events);
  const limits = readLimits(events);
  const publicCalls = createPublicCalls(limits.publicCalls);
  const [draining, closing] = [new AbortController(), new AbortController()];
  const state: { readiness: Readiness; service?: Service } = { readiness: "not ready" };
  const stores = opened.use(
    openStores(config, { onFault: (error) => events.storeFault(error, adviceOn(error)) }),
  );
  // Calls need the service until the listeners have closed, so it is disposed of after them.
  opened.defer(async () => state.service?.[Symbol.asyncDispose]());
  const listeners = opened.use(
    await openListeners(config, {
      limits,
      publicCalls,
      events,
      ops: {
        readiness: () => state.readiness,
        isPostgresUp: stores.isPostgresUp,
        isRedisUp: () => state.service?.isRedisUp?.(),
        metrics,
      },
    }),
  );
  metrics.readListeners({ listeners: listeners.all, publicCalls });
  const issuer = config.issuer ?? listeners.urls.http;
  const { service, madeAdmin, rights } = await untilReady(stopping, events, async () => {
    const rights = await prepareDatabase(config, events, stopping);
    state.service ??= await openService({
      config,
      stores,
      issuer,
      events,
      metrics,
      draining: draining.signal,
      closing: closing.signal,
      publicCalls,
    });
    return { service: state.service, madeAdmin: await createFirstAdminOf(config, stores), rights };
  });
  // No other role can connect to an embedded database.
  if (!config.embedded) warnAboutPublicRights(rights, events);
  listeners.handle(service.handler);
  state.readiness = "ready";
  const running = opened.move();
  return {
    urls: listeners.urls,
    stores,
    madeAdmin,
    async stop(forceStop) {
      state.readiness = "draining";
      draining.abort();
      listeners.startDraining();
      await wait(config.drainDelayMs, undefined, { signal: forceStop }).catch(() => {});
      closing.abort();
      await running.disposeAsync();
    },
  };
}

function adviceOn(error: unknown): string | undefined {
  const advice = lastingFault(error);
  return advice === undefined ? describeFault(error) : `POSTERN_DATABASE_URL: ${advice}`;
}
