import type { SignedToken } from "../core/access-token.ts";
import { PosternError } from "../core/postern-error.ts";
import type { VerifyingKey } from "./key-set.ts";

/**
 * The key determines the algorithm; the token only has to match it (RFC 8725 section 3.1).
 * @throws {PosternError} `ERR_TOKEN_INVALID`
 */
export function checkSignature({ header, signingInput, signature }: SignedToken, key: VerifyingKey): void {
  if (key.alg === header.alg && key.verify(signingInput, signature)) return;
  throw new PosternError("ERR_TOKEN_INVALID", "the access token is refused: its signature is wrong");
}

export function keyIsUnknown(): PosternError {
  return new PosternError("ERR_KEY_UNKNOWN", "signed by a key that the issuer does not publish");
}

export function tokenIsRevoked(): PosternError {
  return new PosternError(
    "ERR_TOKEN_REVOKED",
    "the access token is refused: it was revoked, or is no longer active",
  );
}

export function feedIsStale(): PosternError {
  return new PosternError("ERR_FEED_STALE", "the revocation data is too old");
}
