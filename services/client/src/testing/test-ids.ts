import { randomInt } from "node:crypto";

/** Crockford's base32, in lower case. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** An id of the form that Postern's have, at random. */
export function newId(prefix: "usr" | "ses" | "tok" | "key" | "rev"): string {
  // 26 characters hold 130 bits, an id has 128.
  const digits = Array.from({ length: 26 }, (_, index) => alphabet.charAt(randomInt(index === 0 ? 8 : 32)));
  return `${prefix}_${digits.join("")}`;
}
