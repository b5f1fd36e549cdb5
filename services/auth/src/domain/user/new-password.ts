import type { PasswordHasher } from "../ports/password-hasher.ts";
import { checkNewPassword, type PasswordPolicy } from "./password-policy.ts";

/** What setting a password depends on. */
export interface PasswordDeps {
  readonly passwordHasher: Pick<PasswordHasher, "hash">;
  readonly passwordPolicy: Omit<PasswordPolicy, "forbidden">;
}

/** The names of the password's user. */
export interface Named {
  readonly email: string;
  readonly username: string | undefined;
}

/**
 * Checks a new password and hashes it. Not for use in a transaction: it takes long and can wait.
 *
 * @throws {AuthError} `WEAK_PASSWORD`, `INVALID_REQUEST`, `OVERLOADED`
 */
export async function hashNewPassword(
  { passwordHasher, passwordPolicy }: PasswordDeps,
  password: string,
  { email, username }: Named,
  signal: AbortSignal,
): Promise<string> {
  const forbidden = username === undefined ? [email] : [email, username];
  return await passwordHasher.hash(checkNewPassword(password, { ...passwordPolicy, forbidden }), signal);
}
