import type { Mark, SessionRecord } from "../ports/session-store.ts";

/** `ended`: something ended this very session; `revoked by …`: it was among those that a revocation at large hit. */
export type SessionState = "active" | "ended" | `revoked by ${Mark}` | "expired" | "idle";

/** What a session's row says of it. Of several reasons it does not know which came first: `describeSession` does. */
export function sessionState(session: SessionRecord): SessionState {
  const { ended, marks, expiresAt, idleAt, now } = session;
  const [mark] = marks;
  if (ended !== undefined) return "ended";
  if (mark !== undefined) return `revoked by ${mark}`;
  if (now >= expiresAt) return "expired";
  return now >= idleAt ? "idle" : "active";
}
