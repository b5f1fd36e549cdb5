import { readPayload, readSignedToken } from "../../../../client/src/core/access-token.ts";
import type { AccessTokenClaims } from "../../../../client/src/core/claims.ts";
import { PosternError as TokenError } from "../../../../client/src/core/postern-error.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { SigningKey } from "../ports/key-material.ts";

export interface OpenedAccessToken {
  readonly claims: AccessTokenClaims;
  /** The key that verified the signature. */
  readonly key: SigningKey;
}

/**
 * Verifies the signature of an access token and reads its claims. Does not check its times, its audience, or whether it
 * was revoked. The payload of a forged token is not parsed.
 * @returns undefined for any text that this issuer's keys have not signed
 * @throws AuthError `UNAVAILABLE` if an unknown key cannot be looked up
 */
export async function openAccessToken(
  { keyRing }: { readonly keyRing: Pick<KeyRing, "findSigningKey"> },
  token: string,
): Promise<OpenedAccessToken | undefined> {
  const signed = unlessMalformed(() => readSignedToken(token));
  if (signed === undefined) return undefined;
  const key = await keyRing.findSigningKey(signed.header.kid);
  // The key determines the algorithm. The token only has to agree (RFC 8725 section 3.1).
  if (key === undefined || key.alg !== signed.header.alg) return undefined;
  if (!key.verify(signed.signingInput, signed.signature)) return undefined;
  const claims = unlessMalformed(() => readPayload(signed));
  return claims && { claims, key };
}

function unlessMalformed<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
}
