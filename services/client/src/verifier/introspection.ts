import { readPayload, readSignedToken, type SignedToken } from "../core/access-token.ts";
import type { AccessTokenClaims } from "../core/claims.ts";
import { PosternError } from "../core/postern-error.ts";
import { createAllowance } from "./allowance.ts";
import type { VerifyingKey } from "./key-set.ts";
import { checkSignature, keyIsUnknown, tokenIsRevoked } from "./token-refusals.ts";

export interface IntrospectionDeps {
  /** @returns the token's id, where it is active */
  readonly introspect: (token: string) => Promise<string | undefined>;
  /** Finds a key among those that were received or fetched before. */
  readonly findKnownKey: (kid: string) => VerifyingKey | undefined;
  /** Looks in the issuer's key set; rejects where that cannot be had. */
  readonly findKey: (kid: string) => Promise<VerifyingKey | undefined>;
  /** @throws {PosternError} */
  readonly checkClaims: (claims: AccessTokenClaims) => void;
  readonly nowMs: () => number;
}

/** So many tokens a second are asked about whose key cannot be had: anybody can make such tokens. */
const unverifiedPerSecond = 10;

/**
 * Judges a token while the feed is stale: the issuer says whether it was revoked, of which it knows more than we do; the
 * rest is judged here first, so that a forged token causes no call.
 */
export function createIntrospection(deps: IntrospectionDeps): (token: string) => Promise<AccessTokenClaims> {
  const mayAskUnverified = createAllowance(unverifiedPerSecond, 1_000, deps.nowMs);

  /**
   * A key of before is good enough, for the issuer judges as well. One that is not known is looked up in the key set,
   * which is fetched once for all who wait, and not often.
   * @returns undefined where the key set cannot be had
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

  /** @returns the token's id, where it is active */
  async function ask(token: string): Promise<string | undefined> {
    try {
      return await deps.introspect(token);
    } catch (cause) {
      const message =
        "the feed of revocations is stale, and the issuer gives no verdict: see the error's cause";
      throw new PosternError("ERR_UNAVAILABLE", message, { cause });
    }
  }

  /** The issuer judges the signature as well: until it has, the payload is not read. */
  async function askWithoutKey(token: string, signed: SignedToken): Promise<AccessTokenClaims> {
    if (!mayAskUnverified()) {
      const message = "the feed of revocations is stale, and the key of the token cannot be had";
      throw new PosternError("ERR_UNAVAILABLE", message);
    }
    const tokenId = await ask(token);
    if (tokenId === undefined) throw tokenIsRevoked();
    const claims = readPayload(signed);
    deps.checkClaims(claims);
    if (tokenId !== claims.jti) throw tokenIsRevoked();
    return claims;
  }

  return async (token) => {
    const signed = readSignedToken(token);
    const key = await keyOf(signed.header.kid);
    if (key === undefined) return askWithoutKey(token, signed);
    checkSignature(signed, key);
    const claims = readPayload(signed);
    deps.checkClaims(claims);
    if ((await ask(token)) !== claims.jti) throw tokenIsRevoked();
    return claims;
  };
}
