import type { FinishedCall } from "../call/finished-call.ts";
import type { HeadRead } from "../domain/revocation/revocation-log-reader.ts";
import type { Metrics } from "./metrics.ts";

export function countCall(metrics: Metrics, { operation, outcome, durationMs }: FinishedCall): void {
  metrics.calls.inc({ method: operation, outcome });
  metrics.callSeconds.observe({ method: operation }, durationMs / 1000);
  if (outcome === "REFRESH_TOKEN_REUSED") metrics.reuse.inc();
}

export function countRead(metrics: Metrics, { isAnswered, durationMs, copied, fetched }: HeadRead): void {
  metrics.headReads.inc({ outcome: isAnswered ? "answered" : "failed" });
  metrics.headReadSeconds.observe(durationMs / 1000);
  metrics.logEntries.inc({ source: "redis" }, copied);
  metrics.logEntries.inc({ source: "postgres" }, fetched);
}
