/** Which of the budgets of failed logins. */
export type BudgetName = "account" | "account_all" | "address" | "total" | "device" | "known_address";

/** So many failures are borne within a window. */
export interface Budget {
  readonly name: BudgetName;
  /** What is counted by; chosen by outsiders in part. */
  readonly key: string;
  readonly count: number;
  readonly windowMs: number;
}

export type ReserveOutcome =
  | { readonly kind: "reserved" }
  /** The attempts in flight could use up what is left. */
  | { readonly kind: "busy" }
  /** So many failures stand; the first of them that is in the way is forgotten after `retryAfterMs`. */
  | { readonly kind: "spent"; readonly retryAfterMs: number };

/** A place that nobody settled, for a server that ended say, is free again after so long. */
export const reservationMs = 30_000;

/**
 * Counts failures. Failures and places in flight together never exceed a budget's count, however many ask
 * at once. Each method throws PosternError `UNAVAILABLE` when the store is down.
 */
export interface BudgetStore {
  /** @param reservation a name that nobody else has */
  reserve(budget: Budget, reservation: string): Promise<ReserveOutcome>;
  /** Gives the place back, or makes a failure of it. Harmless for a place that is not held. */
  settle(budget: Budget, reservation: string, failed: boolean): Promise<void>;
}
