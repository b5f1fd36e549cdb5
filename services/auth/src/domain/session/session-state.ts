import type { CutoffKind, SessionRecord } from "../ports/session-store.ts";

/** `ended`: this session itself was ended. `revoked by …`: a revocation of its user, its client or everything applies to it. */
export type SessionState = "active" | "ended" | `revoked by ${CutoffKind}` | "expired" | "idle";

/** The state in a session's row. Of several reasons the row does not show which came first; `describeSession` does. */
export function sessionState(session: SessionRecord): SessionState {
  const { ended, cutoffs, expiresAt, idleAt, now } = session;
  const [cutoff] = cutoffs;
  if (ended !== undefined) return "ended";
  if (cutoff !== undefined) return `revoked by ${cutoff}`;
  if (now >= expiresAt) return "expired";
  return now >= idleAt ? "idle" : "active";
}
