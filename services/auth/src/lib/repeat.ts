import { setTimeout as wait } from "node:timers/promises";

export interface Repeated {
  /** Milliseconds from the end of one run to the next, give or take a fifth, so that replicas spread out. */
  readonly everyMs: number;
  /** 0 to 1, evenly. */
  readonly random: () => number;
  /** Told of a run that threw; the next one comes in its turn. */
  readonly onFault: (error: unknown) => void;
}

/**
 * Runs the work again and again, one run at a time, the first after one pause. Disposing of it aborts the signal and
 * waits for the run that goes on.
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

/** Whether the time went by: false where the signal came first. */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await wait(ms, undefined, { signal, ref: false });
    return true;
  } catch {
    return false;
  }
}
