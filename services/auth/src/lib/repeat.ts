import { setTimeout as wait } from "node:timers/promises";

export interface Repeated {
  /** Milliseconds from the end of one run to the next, give or take a fifth, so that replicas spread out. */
  readonly everyMs: number;
  /** A random number from 0 to 1. */
  readonly random: () => number;
  /** Called when a run throws. The next run follows as usual. */
  readonly onFault: (error: unknown) => void;
}

/**
 * Repeats the work, one run at a time, with the first run after one pause. Disposing of it aborts the signal and waits for
 * the current run.
 */
export function repeat(
  work: (signal: AbortSignal) => Promise<void>,
  { everyMs, random, onFault }: Repeated,
): AsyncDisposable {
  const ending = new AbortController();
  const { signal } = ending;
  const running = (async () => {
    while (await waited(everyMs * (0.8 + 0.4 * random()), signal)) {
      try {
        await work(signal);
      } catch (error) {
        if (!signal.aborted) onFault(error);
      }
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await running;
    },
  };
}

/** @returns false if the signal was aborted before the time was over */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await wait(ms, undefined, { signal, ref: false });
    return true;
  } catch {
    return false;
  }
}
