import { collectDefaultMetrics, Registry } from "prom-client";
import { createEventMetrics } from "./event-metrics.ts";
import { createInstruments } from "./instruments.ts";
import {
  createListenerMetrics,
  createReplicaMetrics,
  createStoreMetrics,
  type ListenerSources,
  type MetricSources,
} from "./state-metrics.ts";

export interface MetricsOptions {
  /** Log lines that were dropped since the start. */
  readonly droppedLines?: () => number;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** All metrics of a server, for Prometheus. The table in the metrics reference is generated from them. */
export function createMetrics({ droppedLines = () => 0 }: MetricsOptions = {}) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const instruments = createInstruments(registry);
  const events = createEventMetrics(instruments);
  const readReplica = createReplicaMetrics(instruments);
  const readListeners = createListenerMetrics(instruments);
  const readStores = createStoreMetrics(instruments);
  const dropped = instruments.counter(
    "postern_log_lines_dropped_total",
    "Log lines that were dropped because stderr was full, closed, or not read.",
  );
  let sources: MetricSources | undefined;
  let clients: ListenerSources | undefined;
  return {
    ...events,
    registry,
    contentType: registry.contentType,
    /** Sets where the state of the service is read from. */
    readFrom(given: MetricSources): void {
      sources = given;
    },
    /** Sets where the state of the listeners is read from. */
    readListeners(given: ListenerSources): void {
      clients = given;
    },
    /** @returns all values in the text format of Prometheus */
    async metrics(): Promise<string> {
      dropped.reset();
      dropped.inc(droppedLines());
      if (sources !== undefined) {
        readReplica(sources);
        readStores(sources);
      }
      if (clients !== undefined) readListeners(clients);
      return registry.metrics();
    },
  };
}
