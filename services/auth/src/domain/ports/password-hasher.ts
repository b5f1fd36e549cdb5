/** Hashes passwords, away from the event loop and with a bounded queue. */
export interface PasswordHasher {
  /**
   * Keeps a place in the queue until it is disposed of, for whoever has something to read first: else any number
   * would read, and most of them for nothing.
   * @throws PosternError `OVERLOADED` when the queue is full
   */
  keepPlace(): Disposable;

  /**
   * @returns a PHC string (Argon2id)
   * @throws PosternError `OVERLOADED` when the queue is full; what `signal` was aborted with when it is
   * aborted before the work began
   */
  hash(password: string, signal: AbortSignal): Promise<string>;

  /**
   * Whether the password is the one behind `hash`. With no hash (an unknown user, or one without a
   * password) it does the same work against a hash that fits nothing, and answers `false`.
   */
  verify(password: string, hash: string | undefined, signal: AbortSignal): Promise<boolean>;
}
