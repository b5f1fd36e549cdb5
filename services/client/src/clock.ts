import { createElapsedClock, type ElapsedClock } from "./core/elapsed-clock.ts";

/** A clock of this machine. */
export function createClock(): ElapsedClock {
  return createElapsedClock({ monotonicMs: () => performance.now(), wallMs: () => Date.now() });
}
