import { type AccessTokenClaims, checkClaims } from "@postern/client/core/claims.ts";
import { PosternError as TokenError } from "@postern/client/core/postern-error.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import { openAccessToken } from "../token/open-access-token.ts";
import type { Revocations } from "./open-revocations.ts";

export interface CheckDeps {
  readonly keyRing: KeyRing;
  readonly knownRevocations: Pick<Revocations, "current">;
  readonly issuer: string;
}

/**
 * The claims of an access token that is good at this moment; undefined for any other.
 * @throws PosternError `UNAVAILABLE` when that cannot be known
 */
export async function checkAccessToken(
  deps: CheckDeps,
  token: string,
): Promise<AccessTokenClaims | undefined> {
  const parsed = await openAccessToken(deps, token);
  if (parsed === undefined) return undefined;
  const { header, claims } = parsed;
  const { revocations, head, now, keysVersion } = await deps.knownRevocations.current();
  // The key may have been removed since it was looked up.
  await deps.keyRing.follow(keysVersion);
  if ((await deps.keyRing.findSigningKey(header.kid)) === undefined) return undefined;
  const nowSeconds = now.getTime() / 1000;
  try {
    checkClaims(claims, { issuer: deps.issuer, nowSeconds });
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
  // Both times are the database's: no skew to bear.
  if (claims.exp <= nowSeconds) return undefined;
  // From a history that the database has lost: revocations since then would be numbered below it.
  if (claims.rev > head.seq) return undefined;
  return revocations.hits({ ...claims, kid: header.kid }) ? undefined : claims;
}
