/**
 * Every key in Redis, and how long it lives. Nothing here is the only copy of anything but counts of failed
 * logins. What an outsider chose stands in no key as it is: `digest` is an HMAC of it.
 */
export const keys = {
  /** Stream with a copy of the revocation log's tail: the newest `liveListLength` entries, no end of life. */
  liveList: "postern:log",
  /** A user's name, for `userNameMs`. All in one slot of a Cluster, so that many are read at once. */
  userName: (userId: string) => `postern:{name}:${userId}`,
  /** Sorted set: failures of a budget, by when they are forgotten. Lives as long as the last of them. */
  budgetFailed: (digest: string) => `postern:budget:{${digest}}:failed`,
  /** Sorted set: places held in a budget, by when they are free again; in the same slot of a Cluster. */
  budgetHeld: (digest: string) => `postern:budget:{${digest}}:held`,
} as const;

/** Entries of the live list; more than a replica can be behind without asking Postgres anyhow. */
export const liveListLength = 10_000;
/** A name that was changed is shown for so long at the most. */
export const userNameMs = 60_000;
