/**
 * Whether a secret can stand behind `Bearer ` in a header: visible ASCII, and spaces within. Of any other, the error of
 * whoever sends it may hold the secret.
 */
export function isSendable(secret: unknown): secret is string {
  return typeof secret === "string" && /^[!-~](?:[ -~]*[!-~])?$/.test(secret);
}
