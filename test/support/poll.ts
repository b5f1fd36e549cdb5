import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks until the answer is neither `undefined` nor a throw.
 * @throws after `timeoutMs`: an error that names `what`, with the last fault as its cause.
 */
export async function poll<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let fault: unknown;
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      fault = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`gave up after ${timeoutMs} ms: ${what}`, { cause: fault });
    }
    await delay(25);
  }
}
