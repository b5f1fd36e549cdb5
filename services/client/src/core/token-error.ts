/**
 * - `ERR_TOKEN_MALFORMED`: not an access token of Postern in form; no key was looked at.
 * - `ERR_TOKEN_INVALID`: of the right form, but of another issuer, for another audience, or not yet valid.
 * - `ERR_TOKEN_EXPIRED`: over.
 */
export type TokenErrorCode = "ERR_TOKEN_MALFORMED" | "ERR_TOKEN_INVALID" | "ERR_TOKEN_EXPIRED";

/** Why an access token is refused. The message names the rule that was broken and holds nothing of the token. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly code: TokenErrorCode;

  constructor(code: TokenErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
