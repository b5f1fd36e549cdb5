import { type ListAuditEventsDeps, listAuditEvents } from "../audit/list-audit-events.ts";
import { type Caller, demand } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { AuditEvent, AuditFilter } from "../ports/audit-store.ts";
import type { SessionId } from "../ports/ids.ts";
import type { CutoffKind, SessionRecord, SessionStore } from "../ports/session-store.ts";
import { type SessionState, sessionState } from "./session-state.ts";

export interface DescribeSessionDeps extends ListAuditEventsDeps {
  readonly sessions: Pick<SessionStore, "find">;
}

/** The state of a session, and the reason. */
export interface SessionStory {
  readonly session: SessionRecord;
  readonly state: SessionState;
  /** Undefined if the session is open, or if the audit no longer has the time of its end. */
  readonly endedAt: Date | undefined;
  readonly why: string;
  /** The audit event that ended it. */
  readonly endedBy: AuditEvent | undefined;
  /** The session's events and the event that ended it, the oldest first. */
  readonly events: readonly AuditEvent[];
}

/** Events that can raise a cutoff. */
const raising: Readonly<Record<CutoffKind, readonly string[]>> = {
  user: ["user_revoked", "user_disabled", "password_set", "roles_set"],
  client: ["client_revoked"],
  everything: ["everything_revoked"],
};
/** The session's own event for each kind of end. */
const endings: Readonly<Record<string, { readonly event: string; readonly why: string }>> = {
  revoked: { event: "session_revoked", why: "it was revoked" },
  reuse: {
    event: "refresh_reuse",
    why: "a refresh token was shown that had been spent: one of two holders had stolen it",
  },
  too_many: { event: "session_ended", why: "the user had opened too many others" },
};
const whys: Readonly<Record<string, string>> = {
  user_revoked: "all sessions of the user were revoked",
  user_disabled: "the user was disabled",
  password_set: "the user's password was set",
  roles_set: "the user ceased to be an administrator",
  client_revoked: "all sessions of the client were revoked",
  everything_revoked: "everything was revoked",
};
/** Maximum number of events of one session that are read. */
const mostEvents = 1_000;
/** Maximum time of each search in the audit, in milliseconds. */
const timeoutMs = 5_000;

/**
 * Describes a session. An ended session is found until its row is deleted, a day after its absolute end.
 *
 * @throws {AuthError} `NOT_PERMITTED` without `sessions:any` and `admin`, `NOT_FOUND`
 */
export async function describeSession(
  deps: DescribeSessionDeps,
  { caller, sessionId }: { readonly caller: Caller; readonly sessionId: SessionId },
): Promise<SessionStory> {
  demand(caller, "sessions:any");
  const session = await deps.sessions.find(sessionId);
  if (session === undefined) throw unknownSession();
  const own = await read(deps, caller, { sessionId }, mostEvents);
  const byCutoff = await Promise.all(
    session.cutoffs.map((cutoff) => firstRaise(deps, caller, session, cutoff)),
  );
  const [end] = endsOf(session, own, byCutoff).sort((a, b) => a.at.getTime() - b.at.getTime());
  const endedBy = end?.event;
  const events = endedBy === undefined || own.some(({ id }) => id === endedBy.id) ? own : [...own, endedBy];
  return {
    session,
    state: end?.state ?? sessionState(session),
    endedAt: end?.at,
    why:
      end?.why ?? (session.cutoffs.length > 0 ? "the audit no longer has the time" : "nothing has ended it"),
    endedBy,
    events: events.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

export function unknownSession(): AuthError {
  return new AuthError("NOT_FOUND", {
    message: "no session has this ID, or its absolute end was more than a day ago",
  });
}

interface End {
  readonly at: Date;
  readonly state: SessionState;
  readonly why: string;
  readonly event?: AuditEvent | undefined;
}

/** Everything that could have ended it. The first one did. */
function endsOf(
  { ended, expiresAt, idleAt, now }: SessionRecord,
  own: readonly AuditEvent[],
  byCutoff: readonly (End | undefined)[],
): End[] {
  const ends: End[] = byCutoff.filter((end) => end !== undefined);
  if (ended !== undefined) {
    const ending = endings[ended.by];
    const event = own.findLast((one) => one.event === ending?.event);
    ends.push({ at: ended.at, state: "ended", why: ending?.why ?? ended.by, event });
  }
  if (now >= expiresAt) ends.push({ at: expiresAt, state: "expired", why: "its time was over" });
  if (now >= idleAt) ends.push({ at: idleAt, state: "idle", why: "it was not refreshed in time" });
  return ends;
}

/** The first revocation of its user, its client or everything that ended it; undefined if the audit does not have it. */
async function firstRaise(
  deps: DescribeSessionDeps,
  caller: Caller,
  { userId, clientId, createdAt }: SessionRecord,
  cutoff: CutoffKind,
): Promise<End | undefined> {
  const whose = { user: { userId }, client: { clientId }, everything: {} }[cutoff];
  const filter = { ...whose, events: raising[cutoff], since: createdAt };
  const events = await read(deps, caller, filter, cutoff === "user" ? mostEvents : 1);
  const event = events.find(endsSessions);
  if (event === undefined) return undefined;
  return { at: event.at, state: `revoked by ${cutoff}`, why: whys[event.event] ?? event.event, event };
}

/** A change of roles revokes if it removes the role of an administrator. */
function endsSessions({ event, detail }: AuditEvent): boolean {
  if (event !== "roles_set") return true;
  const [before, after] = [detail["before"], detail["roles"]];
  return (
    Array.isArray(before) && before.includes("admin") && Array.isArray(after) && !after.includes("admin")
  );
}

async function read(
  deps: DescribeSessionDeps,
  caller: Caller,
  filter: AuditFilter,
  pageSize: number,
): Promise<readonly AuditEvent[]> {
  const page = { order: "oldest first", pageSize, pageToken: "", timeoutMs } as const;
  return (await listAuditEvents(deps, { caller, filter, ...page })).events;
}
