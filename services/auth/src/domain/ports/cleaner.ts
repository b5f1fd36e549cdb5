/** The tables that are cleaned, in this order. */
export const cleanedTables = ["sessions", "revocations", "user_addresses"] as const;

export type CleanedTable = (typeof cleanedTables)[number];

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
    table: CleanedTable,
    batch: { readonly limit: number; readonly from: Date | undefined },
  ): Promise<CleanOutcome>;
}
