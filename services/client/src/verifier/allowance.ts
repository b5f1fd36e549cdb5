/**
 * Limits how often something happens: at most `most` times in each span.
 * @returns a function that counts one more, and returns whether it is allowed
 */
export function createAllowance(most: number, spanMs: number, nowMs: () => number): () => boolean {
  let startedAtMs = Number.NEGATIVE_INFINITY;
  let used = 0;
  return () => {
    if (nowMs() - startedAtMs >= spanMs) {
      startedAtMs = nowMs();
      used = 0;
    }
    used += 1;
    return used <= most;
  };
}
