import { type Caller, demand } from "../caller/caller.ts";
import { decodePageToken, pageOf } from "../page.ts";
import type { Uuid } from "../ports/ids.ts";
import type { SessionRecord, SessionStore } from "../ports/session-store.ts";

export interface SearchSessionsInput {
  readonly caller: Caller;
  /** Of this user; undefined: of any. */
  readonly userId: Uuid | undefined;
  /** Through this client; undefined: through any. */
  readonly clientId: string | undefined;
  /** Those that are over as well. */
  readonly all: boolean;
  /** 0: 50. */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/**
 * Lists sessions with all that is known of them, the newest first.
 *
 * @throws {PosternError} `NOT_PERMITTED` without `sessions:any`, `INVALID_REQUEST` for a page token that is none
 */
export async function searchSessions(
  { sessions }: { readonly sessions: Pick<SessionStore, "search"> },
  { caller, userId, clientId, all, pageSize, pageToken }: SearchSessionsInput,
): Promise<{ sessions: readonly SessionRecord[]; nextPageToken: string }> {
  demand(caller, "sessions:any");
  const size = pageSize === 0 ? 50 : pageSize;
  const before = decodePageToken(pageToken);
  const found = await sessions.search({ userId, clientId, all, before, limit: size + 1 });
  const { items, nextPageToken } = pageOf(found, size);
  return { sessions: items, nextPageToken };
}
