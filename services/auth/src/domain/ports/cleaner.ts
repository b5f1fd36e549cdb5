/** What is cleaned away, in this order; addresses are those that users have logged in from. */
export const cleanedKinds = ["sessions", "revocations", "addresses"] as const;

export type CleanedKind = (typeof cleanedKinds)[number];

export type CleanOutcome =
  /** `upTo`: where the next batch may begin. Fewer rows than asked for: there were no more. */
  | { readonly kind: "cleaned"; readonly rows: number; readonly upTo: Date | undefined }
  /** Another replica is at it. */
  | { readonly kind: "busy" };

/** Deletes what nobody needs any more. Throws PosternError `UNAVAILABLE` when the store is down. */
export interface Cleaner {
  /**
   * Deletes the oldest such rows in one short transaction, without waiting for anybody.
   * @param batch `from`: `upTo` of the batch before; undefined: the first one
   */
  clean(
    of: CleanedKind,
    batch: { readonly limit: number; readonly from: Date | undefined },
  ): Promise<CleanOutcome>;
}
