import { type ListAuditEventsDeps, listAuditEvents } from "../audit/list-audit-events.ts";
import { type Caller, demand } from "../caller/caller.ts";
import { PosternError } from "../errors.ts";
import type { AuditEvent, AuditFilter } from "../ports/audit-store.ts";
import type { Uuid } from "../ports/ids.ts";
import type { Mark, SessionRecord, SessionStore } from "../ports/session-store.ts";
import { type SessionState, sessionState } from "./session-state.ts";

export interface DescribeSessionDeps extends ListAuditEventsDeps {
  readonly sessions: Pick<SessionStore, "find">;
}

/** What became of a session, and why. */
export interface SessionStory {
  readonly session: SessionRecord;
  readonly state: SessionState;
  /** Undefined: it lives, or nobody knows any more when it ended. */
  readonly endedAt: Date | undefined;
  readonly why: string;
  /** The event of the audit that ended it. */
  readonly endedBy: AuditEvent | undefined;
  /** Its own events and the one that ended it, the oldest first. */
  readonly events: readonly AuditEvent[];
}

/** Those that may raise a mark. */
const raising: Readonly<Record<Mark, readonly string[]>> = {
  user: ["user_revoked", "user_disabled", "password_set", "roles_set"],
  client: ["client_revoked"],
  everything: ["everything_revoked"],
};
/** What of a session's own events goes with an end of this name. */
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
/** Events of one session that are read at the most. */
const mostEvents = 1_000;
/** Maximum time of each search in the audit, in milliseconds. */
const timeoutMs = 5_000;

/**
 * Tells all of a session, of one that is over as well, as long as its row is kept: a day after its latest end.
 *
 * @throws {PosternError} `NOT_PERMITTED` without `sessions:any` and `admin`, `NOT_FOUND`
 */
export async function describeSession(
  deps: DescribeSessionDeps,
  { caller, sessionId }: { readonly caller: Caller; readonly sessionId: Uuid },
): Promise<SessionStory> {
  demand(caller, "sessions:any");
  const session = await deps.sessions.find(sessionId);
  if (session === undefined) throw unknownSession();
  const own = await read(deps, caller, { sessionId }, mostEvents);
  const marked = await Promise.all(session.marks.map((mark) => firstRaise(deps, caller, session, mark)));
  const [end] = endsOf(session, own, marked).sort((a, b) => a.at.getTime() - b.at.getTime());
  const endedBy = end?.event;
  const events = endedBy === undefined || own.some(({ id }) => id === endedBy.id) ? own : [...own, endedBy];
  return {
    session,
    state: end?.state ?? sessionState(session),
    endedAt: end?.at,
    why: end?.why ?? (session.marks.length > 0 ? "the audit no longer tells when" : "nothing has ended it"),
    endedBy,
    events: events.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

export function unknownSession(): PosternError {
  return new PosternError("NOT_FOUND", {
    message: "no session has this id, or it ended for good more than a day ago",
  });
}

interface End {
  readonly at: Date;
  readonly state: SessionState;
  readonly why: string;
  readonly event?: AuditEvent | undefined;
}

/** All that would have ended it; the first of them did. */
function endsOf(
  { ended, expiresAt, idleAt, now }: SessionRecord,
  own: readonly AuditEvent[],
  marked: readonly (End | undefined)[],
): End[] {
  const ends: End[] = marked.filter((end) => end !== undefined);
  if (ended !== undefined) {
    const ending = endings[ended.by];
    const event = own.findLast((one) => one.event === ending?.event);
    ends.push({ at: ended.at, state: "ended", why: ending?.why ?? ended.by, event });
  }
  if (now >= expiresAt) ends.push({ at: expiresAt, state: "expired", why: "its time was over" });
  if (now >= idleAt) ends.push({ at: idleAt, state: "idle", why: "nobody had refreshed it for too long" });
  return ends;
}

/** The first revocation at large that it did not outlive; undefined where the audit does not tell. */
async function firstRaise(
  deps: DescribeSessionDeps,
  caller: Caller,
  { userId, clientId, createdAt }: SessionRecord,
  mark: Mark,
): Promise<End | undefined> {
  const whose = { user: { userId }, client: { clientId }, everything: {} }[mark];
  const filter = { ...whose, events: raising[mark], since: createdAt };
  const events = await read(deps, caller, filter, mark === "user" ? mostEvents : 1);
  const event = events.find(endsSessions);
  if (event === undefined) return undefined;
  return { at: event.at, state: `revoked by ${mark}`, why: whys[event.event] ?? event.event, event };
}

/** A change of roles does where it takes the administrator's away. */
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
