import { type Caller, demand } from "../caller/caller.ts";
import { decodePageToken, pageOf } from "../page.ts";
import type { UserId } from "../ports/ids.ts";
import type { SessionRecord, SessionStore } from "../ports/session-store.ts";

export interface SearchSessionsInput {
  readonly caller: Caller;
  /** Only sessions of this user. */
  readonly userId: UserId | undefined;
  /** Only sessions of this client. */
  readonly clientId: string | undefined;
  /** Also ended sessions. */
  readonly all: boolean;
  /** 0: 50. */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/**
 * Lists sessions with their details, the newest first.
 *
 * @throws {AuthError} `NOT_PERMITTED` without `sessions:any`, `INVALID_REQUEST` for an invalid page token
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
