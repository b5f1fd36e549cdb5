/**
 * Every key in Redis, and how long it lives. Only the counts of failed logins have no other copy. No key contains text that
 * an outsider chose: `digest` is an HMAC of it.
 */
export const keys = {
  /** Stream with a copy of the revocation log's tail: the newest `liveListLength` entries. It does not expire. */
  liveList: "postern:log",
  /** A user's name, for `userNameMs`. All are in one slot of a Cluster, so that one command reads many. */
  userName: (userId: string) => `postern:{name}:${userId}`,
  /** Sorted set: failures of a budget, by the time at which they expire. Lives as long as the last failure. */
  budgetFailed: (digest: string) => `postern:budget:{${digest}}:failed`,
  /** Sorted set: reservations in a budget, by the time at which they expire. In the same slot of a Cluster. */
  budgetHeld: (digest: string) => `postern:budget:{${digest}}:held`,
} as const;

/** Maximum number of entries in the live list. A replica that is further behind reads Postgres. */
export const liveListLength = 10_000;
/** Maximum time for which an old name is shown after a change. */
export const userNameMs = 60_000;
