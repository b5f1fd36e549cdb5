const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const digitOf = new Map(Array.from(alphabet, (character, digit) => [character, digit]));

// Eight digits at a time: the largest number of digits whose value is a safe integer, so that few BigInt divisions are needed.
const chunkDigits = 8;
const chunkBase = 62n ** 8n;

/** The number of characters that every value of a number of bytes fits into. */
export function base62Width(byteLength: number): number {
  return Math.ceil((byteLength * 8) / Math.log2(62));
}

/**
 * Big-endian base62 (digits, upper case, lower case), padded with `0`, so that values of one length become
 * texts of one length.
 */
export function encodeBase62(bytes: Uint8Array): string {
  let value = toBigInt(bytes);
  let text = "";
  for (let left = base62Width(bytes.length); left > 0; left -= chunkDigits) {
    let chunk = Number(value % chunkBase);
    value /= chunkBase;
    for (let digit = 0; digit < Math.min(left, chunkDigits); digit++) {
      text = alphabet.charAt(chunk % 62) + text;
      chunk = Math.floor(chunk / 62);
    }
  }
  return text;
}

/**
 * Reverses {@link encodeBase62}.
 *
 * @returns undefined unless the text is the canonical form of a value with that number of bytes
 */
export function decodeBase62(text: string, byteLength: number): Uint8Array | undefined {
  const width = base62Width(byteLength);
  if (text.length !== width) return undefined;

  let value = 0n;
  for (let start = 0; start < width; start += chunkDigits) {
    const end = Math.min(start + chunkDigits, width);
    let chunk = 0;
    for (let at = start; at < end; at++) {
      const digit = digitOf.get(text.charAt(at));
      if (digit === undefined) return undefined;
      chunk = chunk * 62 + digit;
    }
    value = value * (end - start === chunkDigits ? chunkBase : 62n ** BigInt(end - start)) + BigInt(chunk);
  }

  const hex = value.toString(16).padStart(byteLength * 2, "0");
  return hex.length === byteLength * 2 ? Uint8Array.from(Buffer.from(hex, "hex")) : undefined;
}

function toBigInt(bytes: Uint8Array): bigint {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
  return BigInt(`0x0${hex}`);
}
