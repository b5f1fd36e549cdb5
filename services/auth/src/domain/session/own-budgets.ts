import { type Budget, type BudgetStore, type ReserveOutcome, reservationMs } from "../ports/budget-store.ts";

interface Counts {
  /** When each failure is forgotten; the earliest first. */
  failed: number[];
  /** When each place in flight is free again, settled or not. */
  readonly held: Map<string, number>;
}

/**
 * More budgets than this and the one that nothing has touched for longest is forgotten. Only what was hashed stays
 * counted, so it takes an attacker hours of this replica's hashing to push anything out.
 */
const maxBudgets = 200_000;

/** The counts of this replica alone. `nowMs` is a clock that never goes back. */
export function createOwnBudgets({ nowMs }: { readonly nowMs: () => number }): BudgetStore {
  /** The one touched last stands last. */
  const counts = new Map<string, Counts>();

  function find({ name, key }: Budget): Counts {
    const id = `${name}\0${key}`;
    const found = counts.get(id) ?? { failed: [], held: new Map() };
    counts.delete(id);
    counts.set(id, found);
    if (counts.size > maxBudgets) counts.delete(counts.keys().next().value ?? "");
    const now = nowMs();
    found.failed = found.failed.filter((forgottenAt) => forgottenAt > now);
    for (const [reservation, until] of found.held) if (until <= now) found.held.delete(reservation);
    return found;
  }

  return {
    async reserve(budget, reservation): Promise<ReserveOutcome> {
      const { failed, held } = find(budget);
      if (failed.length >= budget.count) {
        const first = failed[failed.length - budget.count] ?? 0;
        return { kind: "spent", retryAfterMs: first - nowMs() };
      }
      if (failed.length + held.size >= budget.count) return { kind: "busy" };
      held.set(reservation, nowMs() + reservationMs);
      return { kind: "reserved" };
    },

    async settle(budget, reservation, isFailure) {
      const { failed, held } = find(budget);
      held.delete(reservation);
      if (isFailure) failed.push(nowMs() + budget.windowMs);
      if (failed.length + held.size === 0) counts.delete(`${budget.name}\0${budget.key}`);
    },
  };
}
