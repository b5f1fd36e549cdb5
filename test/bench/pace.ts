import { inFlight } from "./generators/load.ts";
import type { Round } from "./measure.ts";

/** Maximum repetitions of a failed round. Each is reported. */
const tries = 2;

/** Makes rounds of the right length, and makes them again where they fail. */
export interface Pace {
  /** Why rounds were thrown away. */
  readonly discarded: readonly string[];
  /** Runs it until it does not throw. @throws what the last try threw */
  attempt<T>(what: string, run: () => Promise<T>): Promise<T>;
  /**
   * Runs as many calls as fill so many seconds. How many that is two rounds find out that do not count: they come before
   * the first of each `what`, and make the server warm.
   */
  fill(what: string, length: Length, run: Run): Promise<Round>;
}

type Run = (calls: number) => Promise<Round>;

interface Length {
  readonly seconds: number;
  /** Calls from which to guess how many that is. */
  readonly firstCalls: number;
}

/** @param tell receives the progress */
export function createPace(tell: (line: string) => void): Pace {
  const discarded: string[] = [];
  const sizes = new Map<string, number>();

  async function attempt<T>(what: string, run: () => Promise<T>): Promise<T> {
    for (let left = tries; ; left--) {
      tell(what);
      try {
        return await run();
      } catch (error) {
        if (left === 0) throw error;
        discarded.push(`${what}: ${error instanceof Error ? error.message : error}`);
      }
    }
  }
  async function sizeOf(what: string, { seconds, firstCalls }: Length, run: Run): Promise<number> {
    const guess = await attempt(`${what}, warming up`, () => run(firstGuess({ seconds, firstCalls })));
    const warm = await attempt(`${what}, warming up`, () => run(callsIn(seconds, guess)));
    return callsIn(seconds, warm);
  }
  return {
    discarded,
    attempt,
    async fill(what, length, run) {
      const size = sizes.get(what) ?? (await sizeOf(what, length, run));
      sizes.set(what, size);
      return attempt(what, () => run(size));
    },
  };
}

function firstGuess({ seconds, firstCalls }: Length): number {
  return Math.max(inFlight, Math.round(firstCalls * Math.min(1, seconds)));
}

function callsIn(seconds: number, { perSecond }: Round): number {
  return Math.max(inFlight, Math.round(seconds * perSecond));
}
