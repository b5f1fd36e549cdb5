/**
 * The reason of a {@link PosternError}. Codes are stable.
 *
 * - `ERR_TOKEN_MALFORMED`: the text does not have the form of an access token of Postern.
 * - `ERR_TOKEN_INVALID`: the signature is wrong, or the token is of another issuer, for another audience, or not yet
 *   valid.
 * - `ERR_TOKEN_EXPIRED`: the token has expired.
 * - `ERR_TOKEN_REVOKED`: the token was revoked, or is no longer active.
 * - `ERR_KEY_UNKNOWN`: the issuer does not publish the key that signed the token.
 * - `ERR_FEED_STALE`: the revocation data is too old.
 * - `ERR_UNAVAILABLE`: keys, an answer or a token could not be obtained. The token may be valid.
 * - `ERR_CREDENTIAL_MISSING`: the request has no bearer token.
 * - `ERR_SCOPE_INSUFFICIENT`: the token is valid, but lacks a scope.
 * - `ERR_SESSION_ENDED`: the session of a token source has ended; log in again.
 * - `ERR_LOGIN_REFUSED`: Postern refuses tokens to a token source: a wrong password or secret token, or a scope or
 *   audience that it may not have.
 */
export type ErrorCode =
  | "ERR_TOKEN_MALFORMED"
  | "ERR_TOKEN_INVALID"
  | "ERR_TOKEN_EXPIRED"
  | "ERR_TOKEN_REVOKED"
  | "ERR_KEY_UNKNOWN"
  | "ERR_FEED_STALE"
  | "ERR_UNAVAILABLE"
  | "ERR_CREDENTIAL_MISSING"
  | "ERR_SCOPE_INSUFFICIENT"
  | "ERR_SESSION_ENDED"
  | "ERR_LOGIN_REFUSED";

/**
 * An access token is not accepted, or could not be obtained. The message names the rule that was broken and contains no
 * part of the token.
 *
 * @example
 * ```ts
 * import { PosternError, type Verifier } from "@postern/client";
 *
 * export async function isActive(verifier: Verifier, token: string): Promise<boolean> {
 *   try {
 *     await verifier.verify(token);
 *     return true;
 *   } catch (error) {
 *     if (error instanceof PosternError && error.code === "ERR_TOKEN_REVOKED") return false;
 *     throw error;
 *   }
 * }
 * ```
 */
export class PosternError extends Error {
  override readonly name = "PosternError";
  /** Stable. The message may change. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
