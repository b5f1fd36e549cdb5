import { Counter, collectDefaultMetrics, Registry } from "prom-client";

/** What `/metrics` tells, for Prometheus. */
export interface Metrics {
  readonly registry: Registry;
  readonly rewinds: Counter;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const rewinds = new Counter({
    name: "postern_revocation_log_rewinds_total",
    help: "How often the revocation log was found rewound: the database was put back to an earlier state.",
    registers: [registry],
  });
  return { registry, rewinds };
}
