import type { Logger } from "pino";
import { repeat } from "../../lib/repeat.ts";
import type { Metrics } from "../../telemetry/metrics.ts";

/** Work that goes on beside the calls, on every replica: what must be done by one at a time is decided in Postgres. */
export interface Job {
  /** For logs and metrics. */
  readonly name: string;
  readonly everyMs: number;
  /**
   * The server waits for it when it stops: work without a known end gives up between two batches at the signal, what
   * ends after a few dozen statements at the most may go on to its end.
   */
  run(signal: AbortSignal): Promise<void>;
}

/** Runs the jobs until it is disposed of. A run that fails is logged and counted, and the job goes on. */
export function startJobs(
  jobs: readonly Job[],
  { log, metrics }: { readonly log: Logger; readonly metrics: Pick<Metrics, "jobs"> },
): AsyncDisposable {
  const running = new AsyncDisposableStack();
  for (const { name, everyMs, run } of jobs) {
    const work = async (signal: AbortSignal) => {
      await run(signal);
      metrics.jobs.inc({ job: name, outcome: "done" });
    };
    const onFault = (error: unknown) => {
      metrics.jobs.inc({ job: name, outcome: "failed" });
      log.warn({ event: "job_failed", job: name, error });
    };
    // An alert needs a number to grow from.
    for (const outcome of ["done", "failed"]) metrics.jobs.inc({ job: name, outcome }, 0);
    running.use(repeat(work, { everyMs, random: Math.random, onFault }));
  }
  return running;
}
