import { readPayload, readSignedToken, type SignedToken } from "../core/access-token.ts";
import type { AccessTokenClaims } from "../core/claims.ts";
import { PosternError } from "../core/postern-error.ts";
import { createAllowance } from "./allowance.ts";
import type { VerifyingKey } from "./key-set.ts";
import { checkSignature, keyIsUnknown, tokenIsRevoked } from "./token-refusals.ts";

export interface IntrospectFallbackDeps {
  /** @returns the token's ID, if the token is active */
  readonly introspect: (token: string) => Promise<string | undefined>;
  /** Finds a key among those that were received or fetched earlier. */
  readonly findKnownKey: (kid: string) => VerifyingKey | undefined;
  /** Looks in the issuer's key set; rejects if the key set cannot be fetched. */
  readonly findKey: (kid: string) => Promise<VerifyingKey | undefined>;
  /** @throws {PosternError} */
  readonly checkClaims: (claims: AccessTokenClaims) => void;
  readonly nowMs: () => number;
}

/** Maximum calls per second for tokens whose key cannot be fetched: anyone can make such tokens. */
const unverifiedPerSecond = 10;

/**
 * Verifies a token while the feed is stale. All other checks come first, so that a forged token causes no call. Then the
 * issuer reports whether the token was revoked, because its revocation data is newer.
 */
export function createIntrospectFallback(
  deps: IntrospectFallbackDeps,
): (token: string) => Promise<AccessTokenClaims> {
  const mayIntrospectUnverified = createAllowance(unverifiedPerSecond, 1_000, deps.nowMs);

  /**
   * An old key is enough, because the issuer verifies the token too. An unknown key is looked up in the key set, which
   * is fetched once for all waiting calls, and not often.
   * @returns undefined if the key set cannot be fetched
   * @throws {PosternError} `ERR_KEY_UNKNOWN`
   */
  async function keyOf(kid: string): Promise<VerifyingKey | undefined> {
    const known = deps.findKnownKey(kid);
    if (known !== undefined) return known;
    let found: VerifyingKey | undefined;
    try {
      found = await deps.findKey(kid);
    } catch {
      return undefined;
    }
    if (found === undefined) throw keyIsUnknown();
    return found;
  }

  /** @returns the token's ID, if the token is active */
  async function introspect(token: string): Promise<string | undefined> {
    try {
      return await deps.introspect(token);
    } catch (cause) {
      const message = "the revocation feed is stale, and the introspection failed: see the error's cause";
      throw new PosternError("ERR_UNAVAILABLE", message, { cause });
    }
  }

  /** The issuer verifies the signature too. The payload is read only after that. */
  async function introspectWithoutKey(token: string, signed: SignedToken): Promise<AccessTokenClaims> {
    if (!mayIntrospectUnverified()) {
      const message = "the revocation feed is stale, and the token's key cannot be fetched";
      throw new PosternError("ERR_UNAVAILABLE", message);
    }
    const tokenId = await introspect(token);
    if (tokenId === undefined) throw tokenIsRevoked();
    const claims = readPayload(signed);
    deps.checkClaims(claims);
    if (tokenId !== claims.jti) throw tokenIsRevoked();
    return claims;
  }

  return async (token) => {
    const signed = readSignedToken(token);
    const key = await keyOf(signed.header.kid);
    if (key === undefined) return introspectWithoutKey(token, signed);
    checkSignature(signed, key);
    const claims = readPayload(signed);
    deps.checkClaims(claims);
    if ((await introspect(token)) !== claims.jti) throw tokenIsRevoked();
    return claims;
  };
}
