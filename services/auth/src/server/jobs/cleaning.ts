import { setTimeout as wait } from "node:timers/promises";
import { clean } from "../../domain/cleaning/clean.ts";
import { type Cleaner, cleanedKinds } from "../../domain/ports/cleaner.ts";
import type { Events } from "../../telemetry/events.ts";
import type { Job } from "./job.ts";

/** Deletes rows that are no longer needed. */
export function cleaningJob(cleaner: Cleaner, events: Pick<Events, "rowsCleaned">): Job {
  for (const kind of cleanedKinds) events.rowsCleaned(kind, 0);
  return {
    name: "clean",
    everyMs: 60_000,
    run: (signal) =>
      clean(
        {
          cleaner,
          monotonicMs: () => performance.now(),
          pause: (ms, until) => wait(ms, undefined, { signal: until }),
          onCleaned: events.rowsCleaned,
        },
        signal,
      ),
  };
}
