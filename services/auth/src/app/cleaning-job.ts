import { setTimeout as wait } from "node:timers/promises";
import { clean } from "../domain/cleaning/clean.ts";
import { type Cleaner, cleanedTables } from "../domain/ports/cleaner.ts";
import type { Job } from "./jobs.ts";
import type { Metrics } from "./metrics.ts";

/** Deletes what nobody needs any more. */
export function cleaningJob(cleaner: Cleaner, metrics: Pick<Metrics, "cleanedRows">): Job {
  for (const table of cleanedTables) metrics.cleanedRows.inc({ table }, 0);
  return {
    name: "clean",
    everyMs: 60_000,
    run: (signal) =>
      clean(
        {
          cleaner,
          monotonicMs: () => performance.now(),
          pause: (ms, until) => wait(ms, undefined, { signal: until }),
          onCleaned: (table, rows) => metrics.cleanedRows.inc({ table }, rows),
        },
        signal,
      ),
  };
}
