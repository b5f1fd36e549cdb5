import type { KeyRing } from "../keys/key-ring.ts";
import { type ParsedRefreshToken, parseRefreshToken, verifyRefreshToken } from "./refresh-token.ts";

/**
 * Parses a refresh token and checks its MAC. A malformed token costs no look-up.
 * @returns undefined for any text that the ring's keys have not made
 * @throws AuthError `UNAVAILABLE` if an unknown key cannot be looked up
 */
export async function openRefreshToken(
  { keyRing }: { readonly keyRing: Pick<KeyRing, "findRefreshKey"> },
  text: string,
): Promise<ParsedRefreshToken | undefined> {
  const token = parseRefreshToken(text);
  if (token === undefined) return undefined;
  const key = await keyRing.findRefreshKey(token.keyNumber);
  return key !== undefined && verifyRefreshToken(key, token) ? token : undefined;
}
