/** There was no outcome in time. */
export class LateError extends Error {
  override readonly name = "LateError";
}

/**
 * Waits for an outcome, up to a maximum time. The work itself is not affected.
 * @throws {LateError} naming `what` was missing
 */
export async function within<T>(ms: number, what: string, outcome: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    // After a stall the event loop runs timers before it reads what has arrived: check once more.
    timer = setTimeout(
      () => setImmediate(() => reject(new LateError(`no ${what} within ${Math.round(ms)} ms`))),
      ms,
    );
  });
  // The promise that loses the race must not become an unhandled rejection.
  outcome.catch(() => {});
  try {
    return await Promise.race([outcome, late]);
  } finally {
    clearTimeout(timer);
  }
}
