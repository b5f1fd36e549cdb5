/** The budgets of failed logins. */
export type BudgetName = "account" | "account_all" | "address" | "total" | "device" | "known_address";

/** A limit of failures within a window. */
export interface Budget {
  readonly name: BudgetName;
  /** What failures are counted by. Outsiders choose a part of it. */
  readonly key: string;
  readonly count: number;
  readonly windowMs: number;
}

export type ReserveOutcome =
  | { readonly kind: "reserved" }
  /** The attempts in flight could use up what is left. */
  | { readonly kind: "busy" }
  /** The failures have reached the limit. There is a place again after `retryAfterMs`. */
  | { readonly kind: "spent"; readonly retryAfterMs: number };

/** Lifetime of a reservation that is not settled, for example because its server has ended. */
export const reservationMs = 30_000;

/**
 * Counts failures. Failures and reservations together never exceed a budget's count, however many calls there are at the
 * same time. Each method throws AuthError `UNAVAILABLE` if the store is down.
 */
export interface BudgetStore {
  /** @param reservation a unique name */
  reserve(budget: Budget, reservation: string): Promise<ReserveOutcome>;
  /** Releases the reservation, or turns it into a failure. Has no effect on other reservations. */
  settle(budget: Budget, reservation: string, failed: boolean): Promise<void>;
}
