/**
 * Allows so many in each span of time.
 * @returns whether one more is allowed now
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
