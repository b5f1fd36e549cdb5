import { uuidFromBytes, uuidToBytes } from "./uuid.ts";

/** Crockford's base32, in lower case: no `i`, `l`, `o`, `u`. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const body = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

declare const kind: unique symbol;

/** A UUID that names a thing of one kind. The prefix of its public form is the kind. */
export type Id<P extends string> = string & { readonly [kind]?: P };

/**
 * The public form of an ID: `<prefix>_` and the UUID's 128 bits, big-endian, as 26 characters of Crockford's base32. It sorts
 * like the UUID.
 *
 * @throws {TypeError} if `uuid` is not a UUID in its canonical form
 */
export function formatId<P extends string>(prefix: P, uuid: Id<P>): string {
  let text = `${prefix}_`;
  // 26 characters hold 130 bits: the first two are zero.
  let pending = 0;
  let bits = 2;
  for (const byte of uuidToBytes(uuid)) {
    pending = (pending << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet.charAt(pending >> bits);
      pending &= (1 << bits) - 1;
    }
  }
  return text;
}

/** @returns the UUID; undefined if the text is not an ID of that prefix in its canonical form */
export function parseId<P extends string>(prefix: P, text: string): Id<P> | undefined {
  if (!text.startsWith(`${prefix}_`)) return undefined;
  const digits = text.slice(prefix.length + 1);
  if (!body.test(digits)) return undefined;

  const bytes = new Uint8Array(16);
  let length = 0;
  let pending = 0;
  let bits = -2;
  for (const digit of digits) {
    pending = (pending << 5) | alphabet.indexOf(digit);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[length++] = pending >> bits;
      pending &= (1 << bits) - 1;
    }
  }
  return uuidFromBytes(bytes);
}
