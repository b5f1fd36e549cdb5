import { base62Width, decodeBase62, encodeBase62 } from "../../lib/base62.ts";
import { crc32Of } from "../../lib/crc32.ts";

/** `rt` refresh token, `st` secret token, `at` API token, `ac` authorization code, `dv` device token. */
export type OpaqueKind = "rt" | "st" | "at" | "ac" | "dv";

const anyOpaque = /^ptn_(rt|st|at|ac|dv)_/;
const checksumBytes = 4;
const checksumWidth = base62Width(checksumBytes);

/**
 * An opaque secret in its outer form: `ptn_<kind>_<body><checksum>`, in base62. The checksum is the CRC-32 of everything
 * before it. It reveals typing errors and truncation without a look-up, and secret scanners use it to avoid false
 * positives.
 */
export function encodeOpaque(kind: OpaqueKind, body: Uint8Array): string {
  const text = `ptn_${kind}_${encodeBase62(body)}`;
  return text + encodeBase62(crc32Of(text));
}

/**
 * @param bodyLength length of this kind's body in bytes
 * @returns the body, or undefined if the text is not the canonical form of a body of that kind and length
 */
export function decodeOpaque(kind: OpaqueKind, text: string, bodyLength: number): Uint8Array | undefined {
  const prefix = `ptn_${kind}_`;
  const bodyEnd = prefix.length + base62Width(bodyLength);
  if (text.length !== bodyEnd + checksumWidth || !text.startsWith(prefix)) return undefined;
  if (encodeBase62(crc32Of(text.slice(0, bodyEnd))) !== text.slice(bodyEnd)) return undefined;
  return decodeBase62(text.slice(prefix.length, bodyEnd), bodyLength);
}

/**
 * The input of the MAC of an opaque token: the name of its kind, then its statement. So the MAC of one kind is not valid
 * for another kind under the same key.
 */
export function signedPart(kind: OpaqueKind, statement: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([Buffer.from(`ptn_${kind}`), statement]));
}

/** The kind that the text's prefix names, whether the rest is valid or not. Undefined for a text without such a prefix. */
export function opaqueKindOf(text: string): OpaqueKind | undefined {
  return anyOpaque.exec(text)?.[1] as OpaqueKind | undefined;
}
