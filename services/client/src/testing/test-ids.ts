import { randomInt } from "node:crypto";

/** Crockford's base32, in lower case. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** Creates a random ID in the form of Postern's IDs. */
export function newId(prefix: "usr" | "ses" | "tok" | "key" | "rev"): string {
  // 26 characters have 130 bits, and an ID has 128.
  const digits = Array.from({ length: 26 }, (_, index) => alphabet.charAt(randomInt(index === 0 ? 8 : 32)));
  return `${prefix}_${digits.join("")}`;
}
