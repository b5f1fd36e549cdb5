import { AuthError } from "../errors.ts";

const maxBytes = 1_024;
/** Minimum length of a name that counts. Shorter ones occur in many good passwords by chance. */
const nameMinLength = 4;

export interface PasswordPolicy {
  /** Minimum number of characters (code points). */
  readonly minLength: number;
  /** Whether attackers try it early. */
  readonly isCommon: (password: string) => boolean;
  /** The names of the user, which are not a password. */
  readonly forbidden?: readonly string[];
}

/**
 * The form in which a password is hashed, when it is set and at login: NFC, with no other change.
 *
 * @throws {AuthError} `INVALID_REQUEST` over 1,024 bytes, or with half a surrogate pair
 */
export function normalizePassword(password: string): string {
  // The number of UTF-16 units never exceeds that of bytes.
  if (password.length > maxBytes || Buffer.byteLength(password) > maxBytes) {
    throw new AuthError("INVALID_REQUEST", { message: "a password has at most 1,024 bytes" });
  }
  if (!password.isWellFormed()) {
    throw new AuthError("INVALID_REQUEST", { message: "the password is not valid Unicode" });
  }
  return password.normalize("NFC");
}

/**
 * Checks a password that is about to be set (NIST SP 800-63B section 3.1.1.2: a length, a list, no
 * composition rules).
 *
 * @returns the form to hash
 * @throws {AuthError} `WEAK_PASSWORD`, saying why; `INVALID_REQUEST` as `normalizePassword`
 */
export function checkNewPassword(password: string, policy: PasswordPolicy): string {
  const normalized = normalizePassword(password);
  if (countCharacters(normalized) < policy.minLength) {
    throw weak("the password is too short", policy);
  }
  if (policy.isCommon(normalized)) {
    throw weak("the password is among those that attackers try first", policy);
  }
  if (isLittleMoreThan(policy.forbidden ?? [], normalized, policy.minLength)) {
    throw weak("the password is little more than the user's own name or address", policy);
  }
  return normalized;
}

/** Whether less than half of the minimum length is left without the names. */
function isLittleMoreThan(names: readonly string[], password: string, minLength: number): boolean {
  const folded = password.toLowerCase();
  return names
    .flatMap((name) => [name, name.split("@")[0] ?? name])
    .map((name) => name.normalize("NFC").toLowerCase())
    .filter((name) => countCharacters(name) >= nameMinLength)
    .some((name) => folded.includes(name) && countCharacters(folded.replaceAll(name, "")) < minLength / 2);
}

function countCharacters(text: string): number {
  return Array.from(text).length;
}

function weak(why: string, { minLength }: PasswordPolicy): AuthError {
  return new AuthError("WEAK_PASSWORD", {
    message: `${why}; choose at least ${minLength} characters that are hard to guess, for example several words`,
  });
}
