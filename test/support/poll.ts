import { setTimeout as delay } from "node:timers/promises";

/** Minimum timeout, so that a wait for a condition does not fail on a loaded machine. */
const leastTimeoutMs = 90_000;
/** A call that begins at the deadline still gets this much time. */
const leastAskMs = 10_000;
const hung = Symbol("hung");

/**
 * Calls `ask` until it returns something other than `undefined`, and does not throw.
 * @param timeoutMs raised to `leastTimeoutMs`
 * @throws {Error} at the timeout, naming `what`, with the last error of `ask`. A call of `ask` that hangs ends there too
 */
export async function poll<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const limitMs = Math.max(timeoutMs, leastTimeoutMs);
  const deadline = performance.now() + limitMs;
  let fault: unknown;
  for (;;) {
    const ended = new AbortController();
    try {
      const answer = await Promise.race([
        ask(),
        delay(Math.max(leastAskMs, deadline - performance.now()), hung, { signal: ended.signal }),
      ]);
      if (answer !== undefined && answer !== hung) return answer;
      if (answer === hung) fault ??= "it hangs";
      else fault = undefined;
    } catch (error) {
      fault = error;
    } finally {
      ended.abort();
    }
    if (performance.now() > deadline) {
      const reason = fault === undefined ? "" : ` (${fault})`;
      throw new Error(`gave up after ${limitMs} ms: ${what}${reason}`, { cause: fault });
    }
    await delay(25);
  }
}
