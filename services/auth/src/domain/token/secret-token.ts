import { encodeOpaque } from "./opaque-token.ts";

/** @returns a new secret token with 256 bits of `random`, which must be a cryptographic source */
export function newSecretToken(random: (length: number) => Uint8Array): string {
  return encodeOpaque("st", random(32));
}
