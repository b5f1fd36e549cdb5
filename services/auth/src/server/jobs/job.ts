import { repeat } from "../../lib/repeat.ts";
import type { Events } from "../../telemetry/events.ts";

/** Background work of every replica. Postgres ensures that only one replica at a time does what must not run twice. */
export interface Job {
  /** For logs and metrics. */
  readonly name: string;
  readonly everyMs: number;
  /**
   * The server waits for it when it stops. Work without a known end stops between two batches at the signal. Work of a
   * few dozen statements may run to its end.
   */
  run(signal: AbortSignal): Promise<void>;
}

/** Runs the jobs until it is disposed of. A run that fails is reported, and the job goes on. */
export function startJobs(jobs: readonly Job[], events: Events): AsyncDisposable {
  const running = new AsyncDisposableStack();
  for (const { name, everyMs, run } of jobs) {
    const work = async (signal: AbortSignal) => {
      await run(signal);
      events.jobDone(name);
    };
    const onFault = (error: unknown) => events.jobFailed(name, error);
    events.jobStarted(name);
    running.use(repeat(work, { everyMs, random: Math.random, onFault }));
  }
  return running;
}
