import { type ParsedAccessToken, readPayload, readSignedToken } from "@postern/client/core/access-token.ts";
import { PosternError as TokenError } from "@postern/client/core/postern-error.ts";
import type { KeyRing } from "../keys/key-ring.ts";

/**
 * Reads an access token that this issuer's keys have signed; undefined for anything else. Says nothing of
 * its times, its audience, or whether it was revoked. The payload of a forged token is not read: anyone can send one.
 * @throws PosternError `UNAVAILABLE` when an unknown key cannot be looked up
 */
export async function openAccessToken(
  { keyRing }: { readonly keyRing: Pick<KeyRing, "findSigningKey"> },
  token: string,
): Promise<ParsedAccessToken | undefined> {
  const signed = unlessMalformed(() => readSignedToken(token));
  if (signed === undefined) return undefined;
  const key = await keyRing.findSigningKey(signed.header.kid);
  // The key says the algorithm; the token only has to agree (RFC 8725 section 3.1).
  if (key === undefined || key.alg !== signed.header.alg) return undefined;
  if (!key.verify(signed.signingInput, signed.signature)) return undefined;
  const claims = unlessMalformed(() => readPayload(signed));
  return claims && { ...signed, claims };
}

function unlessMalformed<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
}
