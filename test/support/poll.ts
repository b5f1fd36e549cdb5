import { setTimeout as delay } from "node:timers/promises";

/** A loaded machine must not fail a test that waits for a condition, however little time it takes on an idle one. */
const leastTimeoutMs = 90_000;

/**
 * Asks until the answer is neither `undefined` nor a throw.
 * @param timeoutMs raised to `leastTimeoutMs`
 * @throws {Error} at the timeout, naming `what`, with the last fault
 */
export async function poll<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const patientMs = Math.max(timeoutMs, leastTimeoutMs);
  const deadline = performance.now() + patientMs;
  for (;;) {
    let fault: unknown;
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      fault = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`gave up after ${patientMs} ms: ${what}${fault === undefined ? "" : ` (${fault})`}`, {
        cause: fault,
      });
    }
    await delay(25);
  }
}
