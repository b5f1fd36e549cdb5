import { type Caller, ownClients, permits } from "../caller/caller.ts";
import { decodePageToken, pageOf } from "../page.ts";
import type { UserId } from "../ports/ids.ts";
import type { Session, SessionStore } from "../ports/session-store.ts";

export interface ListSessionsInput {
  readonly caller: Caller;
  readonly userId: UserId;
  /** 0: 50. */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/** Lists a user's open sessions, the newest first; without `sessions:any`, only those of the caller's clients. */
export async function listSessions(
  { sessions }: { readonly sessions: Pick<SessionStore, "list"> },
  { caller, userId, pageSize, pageToken }: ListSessionsInput,
): Promise<{ sessions: readonly Session[]; nextPageToken: string }> {
  const limit = pageSize === 0 ? 50 : pageSize;
  const found = await sessions.list({
    userId,
    before: decodePageToken(pageToken),
    limit: limit + 1,
    clients: permits(caller, "sessions:any") ? undefined : ownClients(caller),
  });
  const { items, nextPageToken } = pageOf(found, limit);
  return { sessions: items, nextPageToken };
}
