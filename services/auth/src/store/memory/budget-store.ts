import {
  type Budget,
  type BudgetStore,
  type ReserveOutcome,
  reservationMs,
} from "../../domain/ports/budget-store.ts";

interface Counts {
  /** When each failure is forgotten; the earliest first. */
  failed: number[];
  /** When each place in flight is free again, settled or not. */
  readonly held: Map<string, number>;
}

/**
 * More budgets than this and the one that nothing has touched for longest is forgotten. Only what was hashed stays
 * counted, so with three budgets a failure it takes an attacker half an hour of a core that does nothing but hash.
 */
const maxBudgets = 200_000;

/** Drops what has passed. @returns whether nothing is left */
function forget(counts: Counts, now: number): boolean {
  counts.failed = counts.failed.filter((forgottenAt) => forgottenAt > now);
  for (const [reservation, until] of counts.held) if (until <= now) counts.held.delete(reservation);
  return counts.failed.length + counts.held.size === 0;
}

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
    forget(found, now);
    // Those that nothing touches any more stand first.
    for (const [oldest, unused] of counts) {
      if (unused === found || !forget(unused, now)) break;
      counts.delete(oldest);
    }
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
