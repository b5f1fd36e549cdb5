import { crc32 } from "node:zlib";

/** CRC-32 (ISO 3309, as in gzip) of the text's UTF-8 form: 4 bytes, big-endian. Detects typing errors, not forgery. */
export function crc32Of(text: string): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, crc32(text));
  return bytes;
}
