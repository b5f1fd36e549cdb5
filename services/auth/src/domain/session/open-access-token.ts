import { type ParsedAccessToken, parseAccessToken } from "@postern/client/core/access-token.ts";
import { PosternError as TokenError } from "@postern/client/core/postern-error.ts";
import type { KeyRing } from "../keys/key-ring.ts";

/**
 * Reads an access token that this issuer's keys have signed; undefined for anything else. Says nothing of
 * its times, its audience, or whether it was revoked.
 * @throws PosternError `UNAVAILABLE` when an unknown key cannot be looked up
 */
export async function openAccessToken(
  { keyRing }: { readonly keyRing: Pick<KeyRing, "findSigningKey"> },
  token: string,
): Promise<ParsedAccessToken | undefined> {
  const parsed = accessTokenOf(token);
  if (parsed === undefined) return undefined;
  const key = await keyRing.findSigningKey(parsed.header.kid);
  // The key says the algorithm; the token only has to agree (RFC 8725 section 3.1).
  if (key === undefined || key.alg !== parsed.header.alg) return undefined;
  return key.verify(parsed.signingInput, parsed.signature) ? parsed : undefined;
}

function accessTokenOf(token: string): ParsedAccessToken | undefined {
  try {
    return parseAccessToken(token);
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
}
