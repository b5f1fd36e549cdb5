import { AuthError } from "./errors.ts";
import type { Uuid } from "./ports/ids.ts";

/** A page token is the ID of the page's last row. It reveals nothing that the row did not. */
export function encodePageToken(id: Uuid): string {
  return Buffer.from(id.replaceAll("-", ""), "hex").toString("base64url");
}

/**
 * @returns undefined for the empty token of a first page
 * @throws AuthError `INVALID_REQUEST` for anything that `encodePageToken` did not make
 */
export function decodePageToken(token: string): Uuid | undefined {
  if (token === "") return undefined;
  const hex = Buffer.from(token, "base64url").toString("hex");
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  if (hex.length !== 32 || encodePageToken(id) !== token) {
    throw new AuthError("INVALID_REQUEST", {
      message: "`page_token` must be the `next_page_token` of the previous page",
    });
  }
  return id;
}

/** Makes a page from rows. One row more than the page shows was read, so that a full last page is known to be the last. */
export function pageOf<T extends { readonly id: Uuid }>(
  found: readonly T[],
  size: number,
): { readonly items: readonly T[]; readonly nextPageToken: string } {
  const items = found.slice(0, size);
  const last = items.at(-1);
  return { items, nextPageToken: found.length > size && last !== undefined ? encodePageToken(last.id) : "" };
}
