import {
  type Budget,
  type BudgetStore,
  type ReserveOutcome,
  reservationMs,
} from "../../domain/ports/budget-store.ts";

interface Counts {
  /** The time at which each failure expires, the earliest first. */
  failed: number[];
  /** The time at which each reservation expires. */
  readonly held: Map<string, number>;
}

/**
 * Maximum number of budgets in memory. Above it, the least recently used one is dropped. Only attempts that were hashed are
 * counted, in three budgets each, so filling it takes an attacker half an hour of a core's time for hashing.
 */
const maxBudgets = 200_000;

/** Drops what has expired. @returns whether nothing is left */
function dropExpired(counts: Counts, now: number): boolean {
  counts.failed = counts.failed.filter((forgottenAt) => forgottenAt > now);
  for (const [reservation, until] of counts.held) if (until <= now) counts.held.delete(reservation);
  return counts.failed.length + counts.held.size === 0;
}

/** The counts of one replica. `nowMs` is a clock that never goes back. */
export function createOwnBudgets({ nowMs }: { readonly nowMs: () => number }): BudgetStore {
  /** In order of use, the most recently used one last. */
  const counts = new Map<string, Counts>();

  function find({ name, key }: Budget): Counts {
    const id = `${name}\0${key}`;
    const found = counts.get(id) ?? { failed: [], held: new Map() };
    counts.delete(id);
    counts.set(id, found);
    if (counts.size > maxBudgets) counts.delete(counts.keys().next().value ?? "");
    const now = nowMs();
    dropExpired(found, now);
    // The least recently used ones come first.
    for (const [oldest, unused] of counts) {
      if (unused === found || !dropExpired(unused, now)) break;
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
