import type { UserId } from "../../domain/ports/ids.ts";
import type { SessionRecord } from "../../domain/ports/session-store.ts";
import type { SessionStory } from "../../domain/session/describe-session.ts";
import { sessionState } from "../../domain/session/session-state.ts";
import { formatId } from "../../lib/type-id.ts";
import { showEvent, showRow } from "../audit/view.ts";

/** The names of users. */
type Names = ReadonlyMap<UserId, string>;

/** A session of a list, for programs. */
export function showRecord(session: SessionRecord) {
  const { id, userId, caller, clientId, device, clientAddress, userAgent, createdAt, ...rest } = session;
  return {
    id: formatId("ses", id),
    state: sessionState(session),
    userId: formatId("usr", userId),
    caller,
    clientId,
    device,
    clientAddress,
    userAgent,
    createdAt,
    lastUsedAt: rest.lastUsedAt,
    expiresAt: rest.expiresAt,
    idleAt: rest.idleAt,
    amr: rest.amr,
  };
}

/** A session of a list, for people: the distinguishing columns come first. */
export function showRecordRow(session: SessionRecord, names: Names) {
  return {
    session: formatId("ses", session.id),
    state: sessionState(session),
    user: nameOf(session.userId, names),
    client: session.clientId,
    address: session.clientAddress,
    device: session.device,
    created: session.createdAt,
    used: session.lastUsedAt,
    agent: session.userAgent,
  };
}

/** A session with its state, for programs. */
export function showStory({ session, state, endedAt, why, endedBy, events }: SessionStory) {
  return {
    ...showRecord(session),
    state,
    why,
    endedAt: endedAt ?? null,
    endedBy: endedBy === undefined ? null : showEvent(endedBy),
    audience: session.audience,
    scope: session.scope,
    events: events.map(showEvent),
  };
}

/** The same for people. */
export function showStoryLines(story: SessionStory, names: Names) {
  const { session, endedBy, events } = story;
  return {
    ...showStory(story),
    user: nameOf(session.userId, names),
    endedBy: endedBy === undefined ? null : `${endedBy.caller} (${endedBy.event})`,
    // Without columns that are the same in every row and in the lines above.
    events: events.map((event) => {
      const { user: _user, session: _session, key: _key, ...row } = showRow(event, names);
      return row;
    }),
  };
}

function nameOf(userId: UserId, names: Names): string {
  return names.get(userId) ?? formatId("usr", userId);
}
