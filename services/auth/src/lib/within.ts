/** What was waited for did not come in time. */
export class LateError extends Error {
  override readonly name = "LateError";
}

/**
 * Waits so long for an outcome and no longer; the outcome itself is not affected.
 * @throws {LateError} naming `what` there was none of
 */
export async function within<T>(ms: number, what: string, outcome: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    // An event loop that was held up runs timers before it reads what has come meanwhile: one look more.
    timer = setTimeout(
      () => setImmediate(() => reject(new LateError(`no ${what} within ${Math.round(ms)} ms`))),
      ms,
    );
  });
  // Whichever loses the race must not become an unhandled rejection.
  outcome.catch(() => {});
  try {
    return await Promise.race([outcome, late]);
  } finally {
    clearTimeout(timer);
  }
}
