import { withoutDeadline } from "./deadline.ts";

/**
 * Work whose runs callers share. A call joins only a run that has not begun, so its run sees everything that happened before
 * the call. One run is in flight at a time.
 * @param wait wraps the outcome of a run for one call, including the wait for the run before it
 */
export function createSharedRun<T>(
  work: () => Promise<T>,
  wait: (outcome: Promise<T>) => Promise<T> = (outcome) => outcome,
): () => Promise<T> {
  let inFlight: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () => {
    next ??= withoutDeadline(() =>
      wait(
        inFlight.then(() => {
          next = undefined;
          const begun = work();
          inFlight = begun.catch(() => {});
          return begun;
        }),
      ),
    );
    return next;
  };
}
