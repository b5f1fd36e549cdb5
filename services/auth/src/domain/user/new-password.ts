import type { PasswordHasher } from "../ports/password-hasher.ts";
import { checkNewPassword, type PasswordPolicy } from "./password-policy.ts";

/** What it takes to set a password. */
export interface PasswordDeps {
  readonly passwordHasher: Pick<PasswordHasher, "hash">;
  readonly passwordPolicy: Omit<PasswordPolicy, "forbidden">;
}

/** Whose password it is. */
export interface Named {
  readonly email: string;
  readonly username: string | undefined;
}

/**
 * Checks a new password and hashes it; never within a transaction, for it takes long and may wait.
 *
 * @throws {PosternError} `WEAK_PASSWORD`, `INVALID_REQUEST`, `OVERLOADED`
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
