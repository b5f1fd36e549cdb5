/** What is deleted, in this order. Addresses are those that users have logged in from. */
export const cleanedKinds = ["sessions", "revocations", "addresses"] as const;

export type CleanedKind = (typeof cleanedKinds)[number];

export type CleanOutcome =
  /** `upTo`: where the next batch may begin. Fewer rows than `limit`: there were no more. */
  | { readonly kind: "cleaned"; readonly rows: number; readonly upTo: Date | undefined }
  /** Another replica is deleting. */
  | { readonly kind: "busy" };

/** Deletes rows that are no longer needed. Throws AuthError `UNAVAILABLE` if the store is down. */
export interface Cleaner {
  /**
   * Deletes the oldest such rows in one short transaction. It waits for no lock.
   * @param batch `from`: `upTo` of the previous batch; undefined: the first batch
   */
  clean(
    of: CleanedKind,
    batch: { readonly limit: number; readonly from: Date | undefined },
  ): Promise<CleanOutcome>;
}
