/** Hashes passwords, away from the event loop and with a bounded queue. */
export interface PasswordHasher {
  /**
   * Reserves a slot in the queue until it is disposed of, for a caller that has to read something before it hashes.
   * Otherwise many calls would read, and most of them in vain.
   * @throws AuthError `OVERLOADED` if the queue is full
   */
  reserveSlot(): Disposable;

  /**
   * @returns a PHC string (Argon2id)
   * @throws AuthError `OVERLOADED` if the queue is full; the reason of `signal` if it is aborted before the work begins
   */
  hash(password: string, signal: AbortSignal): Promise<string>;

  /**
   * Whether the password matches `hash`. Without a hash (an unknown user, or a user without a password) it does the same
   * work with a hash that matches no password, and returns `false`.
   */
  verify(password: string, hash: string | undefined, signal: AbortSignal): Promise<boolean>;
}
