/** A problem of the embedded database that an operator must fix. The message says how. */
export class EmbeddedError extends Error {
  override readonly name = "EmbeddedError";
}

/**
 * Runs `work`. Errors of the operating system (no permission, a full disk, …) become an `EmbeddedError` that names the data
 * folder. Other errors stay as they are.
 */
export async function tellSystemErrors<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new EmbeddedError(`the embedded database in ${dataDir} cannot be used: ${error.message}`, {
      cause: error,
    });
  }
}
