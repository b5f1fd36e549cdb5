/** Authenticates text that is stored where others can write, and makes digests that others cannot predict. */
export interface Mac {
  /** HMAC-SHA-256 in base64url. */
  sign(text: string): string;
  /** In constant time; under any of the keys. */
  verify(text: string, mac: string): boolean;
}
