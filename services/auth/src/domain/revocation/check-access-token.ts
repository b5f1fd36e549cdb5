import { type AccessTokenClaims, checkClaims } from "../../../../client/src/core/claims.ts";
import { PosternError as TokenError } from "../../../../client/src/core/postern-error.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import { openAccessToken } from "../token/open-access-token.ts";
import type { Revocations } from "./open-revocations.ts";

export interface CheckDeps {
  readonly keyRing: KeyRing;
  readonly knownRevocations: Pick<Revocations, "current">;
  readonly issuer: string;
}

/**
 * Checks an access token's signature, claims and revocations.
 * @returns its claims, or undefined if the token is not active now
 * @throws AuthError `UNAVAILABLE` if the token cannot be checked
 */
export async function checkAccessToken(
  deps: CheckDeps,
  token: string,
): Promise<AccessTokenClaims | undefined> {
  const opened = await openAccessToken(deps, token);
  if (opened === undefined) return undefined;
  const { claims, key } = opened;
  const { revocations, head, now, keysVersion } = await deps.knownRevocations.current();
  // The key may have been tainted or removed since the signature was verified.
  await deps.keyRing.follow(keysVersion);
  if (!deps.keyRing.holds(key)) return undefined;
  const nowSeconds = now.getTime() / 1000;
  try {
    checkClaims(claims, { issuer: deps.issuer, nowSeconds });
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
  // Both times are the database's, so no clock skew is allowed for.
  if (claims.exp <= nowSeconds) return undefined;
  // The token is from a history that the database has lost. New entries have lower numbers and would not cover it.
  if (claims.rev > head.seq) return undefined;
  return revocations.revokes({ ...claims, kid: key.kid }) ? undefined : claims;
}
