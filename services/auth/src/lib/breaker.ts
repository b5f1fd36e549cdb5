/** Keeps calls from waiting for somebody who does not answer. */
export interface Breaker {
  /** Whether a call may be tried now; after a rest, one call is let through to see. */
  allows(): boolean;
  /** There was an answer. */
  answered(): void;
  /** There was none. @returns whether that opened the breaker, or keeps it open for another rest */
  silent(): boolean;
  /** Opens at once: there was an answer, to come again later. */
  open(): void;
  readonly isOpen: boolean;
}

export interface BreakerOptions {
  /** So many silences in a row open it. */
  readonly silences: number;
  /** How long nobody is let through. */
  readonly cooldownMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs: () => number;
}

export function createBreaker({ silences, cooldownMs, nowMs }: BreakerOptions): Breaker {
  let inARow = 0;
  let cooldownUntilMs: number | undefined;

  function open(): void {
    inARow = 0;
    cooldownUntilMs = nowMs() + cooldownMs;
  }

  return {
    allows() {
      if (cooldownUntilMs === undefined) return true;
      if (nowMs() < cooldownUntilMs) return false;
      // Whoever comes while this one is on its way is turned back for another rest.
      cooldownUntilMs = nowMs() + cooldownMs;
      return true;
    },
    answered() {
      inARow = 0;
      cooldownUntilMs = undefined;
    },
    silent() {
      inARow += 1;
      if (cooldownUntilMs === undefined && inARow < silences) return false;
      open();
      return true;
    },
    open,
    get isOpen() {
      return cooldownUntilMs !== undefined;
    },
  };
}
