import { Counter, Gauge, Histogram, type Registry } from "prom-client";

const fastBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export type Instruments = ReturnType<typeof createInstruments>;

/** Makes metrics in one registry. */
export function createInstruments(registry: Registry) {
  const registers = [registry];
  return {
    counter: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Counter({ name, help, labelNames: [...labelNames], registers }),
    /** Of seconds. */
    histogram: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Histogram({ name, help, labelNames: [...labelNames], buckets: fastBuckets, registers }),
    gauge: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Gauge({ name, help, labelNames: [...labelNames], registers }),
  };
}
