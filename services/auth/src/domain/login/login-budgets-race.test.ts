import fc from "fast-check";
import { expect, test } from "vitest";
import { createOwnBudgets } from "../../store/memory/budget-store.ts";
import type { Budget, BudgetStore } from "../ports/budget-store.ts";
import { createLoginBudgets } from "./login-budgets.ts";
import type { LoginLimits } from "./login-limits.ts";

const never = new AbortController().signal;
const windowMs = 60_000;
const limits: LoginLimits = {
  account: { count: 3, windowMs },
  accountAll: { count: 6, windowMs },
  address: { count: 8, windowMs },
  total: { count: 10, windowMs },
};
const device = { kind: "device", userId: "user", deviceId: "phone" } as const;

/** Exactly so many places are free in a store. */
async function expectFree(store: BudgetStore, budget: Budget, places: number): Promise<void> {
  for (let place = 0; place < places; place++) {
    expect(await store.reserve(budget, `probe ${place}`)).toEqual({ kind: "reserved" });
  }
  expect((await store.reserve(budget, "one more")).kind).not.toBe("reserved");
}

/** Counts what a store holds. It throws if that is more than the limit. */
function watched(store: BudgetStore, late: <T>(answer: Promise<T>) => Promise<T>) {
  const counts = new Map<string, { readonly budget: Budget; failures: number; held: number }>();
  const find = (budget: Budget) => {
    const id = `${budget.name} ${budget.key}`;
    const found = counts.get(id) ?? { budget, failures: 0, held: 0 };
    counts.set(id, found);
    return found;
  };
  const watching: BudgetStore = {
    async reserve(budget, reservation) {
      const outcome = await store.reserve(budget, reservation);
      const count = find(budget);
      if (outcome.kind === "reserved") count.held += 1;
      expect(count.failures + count.held).toBeLessThanOrEqual(budget.count);
      return late(Promise.resolve(outcome));
    },
    async settle(budget, reservation, failed) {
      await late(Promise.resolve());
      await store.settle(budget, reservation, failed);
      const count = find(budget);
      count.held -= 1;
      if (failed) count.failures += 1;
    },
  };
  return { store: watching, counts };
}

test("D06: in any order of two replicas' attempts, no budget holds more than its count", async () => {
  const attempts = fc.array(
    fc.record({
      account: fc.constantFrom("alice", "bob"),
      address: fc.constantFrom("192.0.2.1", "192.0.2.2", undefined),
      knownBy: fc.constantFrom(undefined, undefined, { kind: "address" as const }, device),
      failed: fc.boolean(),
      replica: fc.nat(1),
      /** Hashing is given up. */
      isAborted: fc.boolean(),
    }),
    { minLength: 1, maxLength: 25 },
  );
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), attempts, async (scheduler, all) => {
      const late = <T>(answer: Promise<T>) => scheduler.schedule(answer);
      const open = () => watched(createOwnBudgets({ nowMs: () => 0 }), late);
      const shared = open();
      const owns = [open(), open()] as const;
      let clockMs = 0;
      let ids = 0;
      const replicas = owns.map((own) =>
        createLoginBudgets({
          stores: [own.store, shared.store],
          limits,
          newId: () => String(++ids),
          monotonicMs: () => clockMs,
          async pause(ms) {
            clockMs += ms;
            await late(Promise.resolve());
          },
          onLimit: () => {},
        }),
      );
      let wrong = 0;
      const outcomes = all.map(async ({ failed, replica, isAborted, ...attempt }) => {
        const admission = await replicas[replica]?.reserve(attempt, never);
        await late(Promise.resolve());
        if (failed && !isAborted && attempt.knownBy === undefined) wrong += 1;
        await admission?.settle(failed && !isAborted);
      });
      await scheduler.waitFor(Promise.allSettled(outcomes));
      for (const outcome of await Promise.allSettled(outcomes)) {
        if (outcome.status === "rejected")
          expect(["RATE_LIMITED", "OVERLOADED"]).toContain(outcome.reason.reason);
      }
      // At the end no place is held, and the shared store has every failure.
      for (const { store, counts } of [shared, ...owns]) {
        for (const { budget, failures, held } of counts.values()) {
          expect(held).toBe(0);
          const probes = expectFree(store, budget, budget.count - failures);
          await scheduler.waitFor(probes);
        }
      }
      expect(shared.counts.get("total ")?.failures ?? 0).toBe(wrong);
    }),
    { numRuns: 60 },
  );
});
