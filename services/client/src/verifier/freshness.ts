import type { ElapsedClock } from "../core/elapsed-clock.ts";
import type { RevocationStream } from "./stream.ts";
import type { VerifierState } from "./verifier.ts";

/** How long after the start calls wait for the first checkpoint before the verifier counts as stale. */
const startMs = 5_000;

/** Whether the known revocations are recent enough. */
export interface Freshness {
  readonly state: VerifierState["feed"];
  isStale(): boolean;
  /** Waits for the first checkpoint, if the verifier was started only now. */
  whenStarted(): Promise<void>;
}

export interface FreshnessDeps {
  readonly clock: Pick<ElapsedClock, "nowMs">;
  /** Undefined: without revocations. */
  readonly stream: RevocationStream | undefined;
  /** Maximum age of the revocations, in milliseconds, if it is below the issuer's. */
  readonly maxStalenessMs: number | undefined;
}

export function createFreshness({ clock, stream, maxStalenessMs }: FreshnessDeps): Freshness {
  const startedBy = clock.nowMs() + startMs;
  let isStarting = stream !== undefined;
  void stream?.started.then(() => {
    isStarting = false;
  });

  function isStale(): boolean {
    if (stream === undefined) return false;
    const { log } = stream;
    const limitMs = Math.min(maxStalenessMs ?? Number.POSITIVE_INFINITY, log.maxStalenessMs);
    // In this form an age that is not a number is too old.
    return !(log.ageMs(clock.nowMs()) <= limitMs);
  }

  return {
    isStale,
    get state() {
      if (stream === undefined) return "off";
      if (!isStale()) return "synced";
      return isStarting ? "starting" : "stale";
    },
    async whenStarted() {
      if (isStarting && stream !== undefined) await within(startedBy - clock.nowMs(), stream.started);
    },
  };
}

async function within(ms: number, outcome: Promise<unknown>): Promise<void> {
  if (ms <= 0) return;
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    outcome,
    new Promise((resolve) => {
      timer = setTimeout(resolve, ms);
    }),
  ]);
  clearTimeout(timer);
}
