/** Verifies Postern's access tokens without a call, and knows within milliseconds of those that were revoked. */

export type { AccessTokenClaims } from "./core/claims.ts";
export { type ErrorCode, PosternError } from "./core/postern-error.ts";
export {
  type Authorization,
  authenticateOptional,
  authenticateRequest,
} from "./http/authenticate-request.ts";
export { demandScope } from "./http/demands.ts";
export { type Refusal, refusalOf } from "./http/refusal.ts";
export { createTokenSource } from "./token-source/create-token-source.ts";
export { posternSession } from "./token-source/postern-session.ts";
export type { LoginOptions, PosternSessionOptions } from "./token-source/session-options.ts";
export { tokenFile } from "./token-source/token-file.ts";
export type { ObtainedToken, TokenOptions, TokenOrigin, TokenSource } from "./token-source/token-source.ts";
export {
  createVerifier,
  type VerifiedToken,
  type Verifier,
  type VerifierState,
} from "./verifier/create-verifier.ts";
export type { FeedEvent } from "./verifier/revocation-feed.ts";
export type { RevocationsOptions, VerifierOptions } from "./verifier/verifier-options.ts";
