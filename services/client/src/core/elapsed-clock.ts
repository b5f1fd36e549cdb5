/** A clock that tells how much time has passed, in milliseconds. */
export interface ElapsedClock {
  /** Never goes back, and counts the time for which the machine was suspended. */
  nowMs(): number;
  /** How much of it the monotonic clock has not counted: the machine was suspended, or its wall clock was put ahead. */
  readonly jumpedMs: number;
}

export interface MachineClocks {
  /** Milliseconds of a clock that never goes back, and may stop while a virtual machine is suspended. */
  readonly monotonicMs: () => number;
  /** Milliseconds since the epoch; may be put ahead and back. */
  readonly wallMs: () => number;
}

/** The two clocks are read one after the other and round in different ways. */
const toleranceMs = 500;

/**
 * Joins both clocks of a machine. Between any two readings at least as much time passes as either clock says, less half
 * a second. A wall clock that is put ahead cannot be told from a suspended machine, so that time counts too: what is
 * known looks older than it is. One that is put back takes nothing away.
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
