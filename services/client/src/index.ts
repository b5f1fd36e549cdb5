/** Verifies Postern's access tokens without a call, and learns of revocations within milliseconds. */

export type { AccessTokenClaims } from "./core/claims.ts";
export { type ErrorCode, PosternError } from "./core/postern-error.ts";
export {
  type Authorization,
  authenticateOptional,
  authenticateRequest,
} from "./guard/authenticate-request.ts";
export { demandScope } from "./guard/demands.ts";
export { type Refusal, refusalOf } from "./guard/refusal.ts";
export { createTokenSource } from "./token-source/create-token-source.ts";
export { posternSession } from "./token-source/postern-session.ts";
export type { LoginOptions, PosternSessionOptions } from "./token-source/session-options.ts";
export { tokenFile } from "./token-source/token-file.ts";
export type { ObtainedToken, TokenOptions, TokenProvider, TokenSource } from "./token-source/token-source.ts";
export { createVerifier } from "./verifier/create-verifier.ts";
export type { FeedEvent } from "./verifier/stream.ts";
export type { VerifiedToken, Verifier, VerifierState } from "./verifier/verifier.ts";
export type { RevocationsOptions, VerifierOptions } from "./verifier/verifier-options.ts";
