import { base62Width, decodeBase62, encodeBase62 } from "../../lib/base62.ts";
import { crc32Of } from "../../lib/crc32.ts";

/** `rt` refresh token, `st` secret token, `at` API token, `ac` authorization code, `dv` device token. */
export type OpaqueKind = "rt" | "st" | "at" | "ac" | "dv";

const anyOpaque = /^ptn_(?:rt|st|at|ac|dv)_/;
const checksumBytes = 4;
const checksumWidth = base62Width(checksumBytes);

/**
 * An opaque secret in its outer form: `ptn_<kind>_<body><checksum>`, base62. The checksum is the CRC-32 of
 * all that stands before it: it tells slips and truncation without a look-up, and secret scanners from noise.
 */
export function encodeOpaque(kind: OpaqueKind, body: Uint8Array): string {
  const text = `ptn_${kind}_${encodeBase62(body)}`;
  return text + encodeBase62(crc32Of(text));
}

/**
 * @param bodyLength how many bytes the body of that kind has
 * @returns the body, or undefined where the text is not of that kind and length in its one form
 */
export function decodeOpaque(kind: OpaqueKind, text: string, bodyLength: number): Uint8Array | undefined {
  const prefix = `ptn_${kind}_`;
  const bodyEnd = prefix.length + base62Width(bodyLength);
  if (text.length !== bodyEnd + checksumWidth || !text.startsWith(prefix)) return undefined;
  if (encodeBase62(crc32Of(text.slice(0, bodyEnd))) !== text.slice(bodyEnd)) return undefined;
  return decodeBase62(text.slice(prefix.length, bodyEnd), bodyLength);
}

/**
 * What the MAC of an opaque token is over: its statement behind the name of its kind, so that a MAC made for one kind
 * stands for no other under the same key.
 */
export function signedPart(kind: OpaqueKind, statement: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([Buffer.from(`ptn_${kind}`), statement]));
}

/** Whether the text claims to be one of these, whole or not: for telling it from a JWT. */
export function isOpaque(text: string): boolean {
  return anyOpaque.test(text);
}
