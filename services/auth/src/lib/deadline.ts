import { AsyncLocalStorage } from "node:async_hooks";

/** When the caller stops waiting, by `performance.now()`. It is not a parameter of every function on the way. */
const deadlines = new AsyncLocalStorage<number | undefined>();

/** Runs `work` for a caller that waits until `atMs` (by `performance.now()`). */
export function withDeadline<T>(atMs: number, work: () => T): T {
  return deadlines.run(atMs, work);
}

/** Runs `work` without a deadline: work that several callers share must not end with the deadline of the first one. */
export function withoutDeadline<T>(work: () => T): T {
  return deadlines.run(undefined, work);
}

/** Milliseconds until the deadline; 0 after it, `Infinity` if there is none. */
export function remainingMs(): number {
  const atMs = deadlines.getStore();
  return atMs === undefined ? Number.POSITIVE_INFINITY : Math.max(0, atMs - performance.now());
}
