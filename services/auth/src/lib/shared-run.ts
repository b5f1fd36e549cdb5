import { withoutDeadline } from "./deadline.ts";

/**
 * Work whose runs callers share. A call joins only a run that has not begun, so whatever had happened before the call
 * is seen by its run; one run is in flight at a time.
 * @param wait what a call waits for, given the outcome of its run, the wait for the run before it included
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
