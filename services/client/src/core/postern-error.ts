/**
 * - `ERR_TOKEN_MALFORMED`: not an access token of Postern in form; no key was looked at.
 * - `ERR_TOKEN_INVALID`: of the right form, but with a wrong signature, of another issuer, for another audience, or not
 *   yet valid.
 * - `ERR_TOKEN_EXPIRED`: over.
 * - `ERR_TOKEN_REVOKED`: revoked, or no longer active.
 * - `ERR_KEY_UNKNOWN`: signed by a key that the issuer does not publish.
 * - `ERR_FEED_STALE`: the revocation data is too old.
 * - `ERR_UNAVAILABLE`: keys, verdict or token could not be had; says nothing of the token.
 * - `ERR_CREDENTIAL_MISSING`: a request came without a bearer token.
 * - `ERR_SCOPE_INSUFFICIENT`: the token is good, but does not allow this.
 * - `ERR_SESSION_ENDED`: the session of a token source is over; somebody has to log in.
 * - `ERR_LOGIN_REFUSED`: Postern gives a token source no tokens: wrong password or secret token, or more is asked for
 *   than may be given.
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
 * Why an access token is not accepted, or could not be had. The message names the rule that was broken and holds nothing
 * of the token.
 */
export class PosternError extends Error {
  override readonly name = "PosternError";
  /** Stable; the message is for people. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
