/**
 * Whether a secret can follow `Bearer ` in a header: visible ASCII, with spaces only inside. The HTTP library's error about
 * any other text may contain the secret.
 */
export function isSendable(secret: unknown): secret is string {
  return typeof secret === "string" && /^[!-~](?:[ -~]*[!-~])?$/.test(secret);
}
