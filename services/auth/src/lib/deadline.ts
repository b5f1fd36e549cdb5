import { AsyncLocalStorage } from "node:async_hooks";

/** When the caller stops waiting, by `performance.now()`; beside the call rather than in every signature. */
const deadlines = new AsyncLocalStorage<number | undefined>();

/** Runs `work` for a caller that waits until `atMs` (by `performance.now()`). */
export function withDeadline<T>(atMs: number, work: () => T): T {
  return deadlines.run(atMs, work);
}

/** Runs `work` for nobody in particular: what several callers share must not end with the first one's patience. */
export function withoutDeadline<T>(work: () => T): T {
  return deadlines.run(undefined, work);
}

/** Milliseconds that the caller goes on waiting; 0 where it has given up, `Infinity` where there is no deadline. */
export function remainingMs(): number {
  const atMs = deadlines.getStore();
  return atMs === undefined ? Number.POSITIVE_INFINITY : Math.max(0, atMs - performance.now());
}
