import { createHash } from "node:crypto";

/** SHA-256 of the UTF-8 text, 32 bytes. */
export function sha256Of(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text, "utf8").digest());
}
