import type { KeyRing } from "../keys/key-ring.ts";
import { type ParsedRefreshToken, parseRefreshToken, verifyRefreshToken } from "./refresh-token.ts";

/**
 * Reads a refresh token that this ring's keys have made; undefined for anything else. Garbage costs no look-up.
 * @throws PosternError `UNAVAILABLE` where the key may have been made a moment ago
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
