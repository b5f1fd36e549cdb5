import { setTimeout as wait } from "node:timers/promises";
import { clean } from "../../domain/cleaning/clean.ts";
import { type Cleaner, cleanedKinds } from "../../domain/ports/cleaner.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Job } from "./job.ts";

/** Deletes what nobody needs any more. */
export function cleaningJob(cleaner: Cleaner, metrics: Pick<Metrics, "cleanedRows">): Job {
  for (const kind of cleanedKinds) metrics.cleanedRows.inc({ kind }, 0);
  return {
    name: "clean",
    everyMs: 60_000,
    run: (signal) =>
      clean(
        {
          cleaner,
          monotonicMs: () => performance.now(),
          pause: (ms, until) => wait(ms, undefined, { signal: until }),
          onCleaned: (kind, rows) => metrics.cleanedRows.inc({ kind }, rows),
        },
        signal,
      ),
  };
}
