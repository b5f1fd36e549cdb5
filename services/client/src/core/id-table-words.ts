/** Characters of 128 bits in Crockford's base32. */
export const idLength = 26;

/** Digit by character code; -1: not a digit. */
const digits = new Int8Array(128).fill(-1);
for (const [value, letter] of [..."0123456789abcdefghjkmnpqrstvwxyz"].entries()) {
  digits[letter.charCodeAt(0)] = value;
}

/**
 * Reads 128 bits from 26 characters of Crockford's base32 in lower case. It allocates nothing, because it runs for every
 * token. Different texts give different words. The lower 30 bits of the last two words are what `sixDigits` reads from the
 * last twelve characters.
 *
 * @param into four words; they are valid only if the text is an ID
 * @returns whether the text is an ID
 */
export function readIdWords(text: string, from: number, into: Int32Array): boolean {
  const first = digitAt(text, from);
  const outer = (first << 5) | digitAt(text, from + 1);
  const a = sixDigits(text, from + 2);
  const b = sixDigits(text, from + 8);
  const c = sixDigits(text, from + 14);
  const d = sixDigits(text, from + 20);
  // Eight bits, two for each of the others.
  into[0] = a | (outer << 30);
  into[1] = b | ((outer >> 2) << 30);
  into[2] = c | ((outer >> 4) << 30);
  into[3] = d | ((outer >> 6) << 30);
  return first <= 7 && (outer | a | b | c | d) >= 0;
}

/** Reads six digits. The result is negative if one of them is not a digit. */
export function sixDigits(text: string, from: number): number {
  let value = 0;
  for (let at = from; at < from + 6; at++) value = (value << 5) | digitAt(text, at);
  return value;
}

function digitAt(text: string, at: number): number {
  return digits[text.charCodeAt(at)] ?? -1;
}
