/** A clock that measures elapsed time, in milliseconds. */
export interface ElapsedClock {
  /** Never goes back, and also counts while the machine is suspended. */
  nowMs(): number;
  /** The part that the monotonic clock has not counted: the machine was suspended, or its wall clock was set ahead. */
  readonly jumpedMs: number;
}

export interface MachineClocks {
  /** Milliseconds of a clock that never goes back. It may stop while a virtual machine is suspended. */
  readonly monotonicMs: () => number;
  /** Milliseconds since the epoch. The clock may be set ahead and back. */
  readonly wallMs: () => number;
}

/** The two clocks are not read at the same instant, and they round differently. */
const toleranceMs = 500;

/**
 * Combines both clocks of a machine. Between any two readings, it counts at least as much time as either clock, minus half
 * a second. A wall clock that is set ahead looks the same as a suspended machine, so that time counts too, and data looks
 * older than it is. A wall clock that is set back subtracts nothing.
 */
export function createElapsedClock({ monotonicMs, wallMs }: MachineClocks): ElapsedClock {
  let apartMs = wallMs() - monotonicMs();
  let jumpedMs = 0;
  return {
    nowMs() {
      const nowMs = monotonicMs();
      const leadMs = wallMs() - nowMs - apartMs;
      if (Math.abs(leadMs) > toleranceMs) {
        apartMs += leadMs;
        jumpedMs += Math.max(0, leadMs);
      }
      return nowMs + jumpedMs;
    },
    get jumpedMs() {
      return jumpedMs;
    },
  };
}
