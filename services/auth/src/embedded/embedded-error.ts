/** Something about the embedded database that a person must mend; the message says what and how. */
export class EmbeddedError extends Error {
  override readonly name = "EmbeddedError";
}

/**
 * Runs `work` and tells what the operating system refused (no permission, a full disk, …) as an
 * `EmbeddedError` that names the data folder. Everything else passes as it is.
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
