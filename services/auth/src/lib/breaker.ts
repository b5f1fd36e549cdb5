/** A circuit breaker: calls do not wait for a server that does not answer. */
export interface Breaker {
  /** Whether a call may be made now. While half-open, after the cooldown, one call is allowed as a test. */
  allows(): boolean;
  /** Closes the breaker. */
  recordSuccess(): void;
  /** @returns whether the breaker is open now */
  recordFailure(): boolean;
  /** Opens the breaker immediately. */
  open(): void;
  readonly isOpen: boolean;
}

export interface BreakerOptions {
  /** The number of consecutive failures that open it. */
  readonly failures: number;
  /** How long no call is allowed. */
  readonly cooldownMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs: () => number;
}

export function createBreaker({ failures, cooldownMs, nowMs }: BreakerOptions): Breaker {
  let consecutive = 0;
  let cooldownUntilMs: number | undefined;

  function open(): void {
    consecutive = 0;
    cooldownUntilMs = nowMs() + cooldownMs;
  }

  return {
    allows() {
      if (cooldownUntilMs === undefined) return true;
      if (nowMs() < cooldownUntilMs) return false;
      // Other calls are refused until this one has its outcome, or for another cooldown.
      cooldownUntilMs = nowMs() + cooldownMs;
      return true;
    },
    recordSuccess() {
      consecutive = 0;
      cooldownUntilMs = undefined;
    },
    recordFailure() {
      consecutive += 1;
      if (cooldownUntilMs === undefined && consecutive < failures) return false;
      open();
      return true;
    },
    open,
    get isOpen() {
      return cooldownUntilMs !== undefined;
    },
  };
}
