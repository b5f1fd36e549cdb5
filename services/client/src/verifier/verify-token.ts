import { maxTokenLength, readPayload, readSignedToken } from "../core/access-token.ts";
import type { AccessTokenClaims } from "../core/claims.ts";
import { PosternError } from "../core/postern-error.ts";
import { TokenCache } from "./cache.ts";
import type { VerifyingKey } from "./key-set.ts";
import type { Keys } from "./keys.ts";
import type { CheckedClaims } from "./log.ts";
import { checkSignature, keyIsUnknown } from "./token-refusals.ts";
import type { VerifiedToken } from "./verifier.ts";

/** A token with a valid signature. */
export interface OpenToken {
  readonly token: string;
  readonly key: VerifyingKey;
  readonly verified: VerifiedToken;
  /** The claims as a plain object, which is faster to read than one without a prototype. It has every claim that is checked. */
  readonly checked: AccessTokenClaims & CheckedClaims;
}

/**
 * Opens tokens in this order: header, key, signature, payload. A forged token therefore costs little. A valid signature is
 * cached under the token's whole text.
 *
 * @param cacheSize number of tokens in the cache; it can have twice as many
 * @returns opens one token. @throws {PosternError} `ERR_TOKEN_MALFORMED`, `ERR_TOKEN_INVALID`, `ERR_KEY_UNKNOWN`,
 * `ERR_UNAVAILABLE`
 */
export function createTokenOpener(
  keys: Pick<Keys, "find">,
  cacheSize: number,
): (token: string) => Promise<OpenToken> {
  const cache = new TokenCache<OpenToken>(2 * cacheSize);
  return async (token) => {
    const cached = cache.get(token);
    // The key may be gone, or replaced by another key of the same name.
    if (cached !== undefined && (await keys.find(cached.key.kid)) === cached.key) return cached;
    const signed = readSignedToken(token);
    const key = await keys.find(signed.header.kid);
    if (key === undefined) throw keyIsUnknown();
    checkSignature(signed, key);
    const claims = readPayload(signed);
    const opened = { token, key, verified: describeToken(claims), checked: { ...claims, kid: key.kid } };
    cache.set(opened);
    return opened;
  };
}

/** @throws {PosternError} `ERR_TOKEN_MALFORMED` for a value that is not text, which outsiders can send */
export function checkIsText(token: unknown): void {
  if (typeof token === "string" && token.length <= maxTokenLength) return;
  const message = `not an access token of Postern: it must be text of at most ${maxTokenLength} characters`;
  throw new PosternError("ERR_TOKEN_MALFORMED", message);
}

export function describeToken(claims: AccessTokenClaims): VerifiedToken {
  const frozen = deepFreeze(claims);
  return Object.freeze({
    subject: claims.sub,
    clientId: claims.client_id,
    sessionId: claims.sid,
    scope: Object.freeze(claims.scope === "" ? [] : claims.scope.split(" ")),
    roles: frozen.roles ?? Object.freeze([]),
    audience: frozen.aud,
    expiresAt: claims.exp,
    claims: frozen,
  });
}

/** All requests with the same token share the object, so none may change it. */
function deepFreeze(claims: AccessTokenClaims): AccessTokenClaims {
  for (const value of Object.values(claims)) Object.freeze(value);
  return Object.freeze(claims);
}
