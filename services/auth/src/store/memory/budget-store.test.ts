import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Budget, reservationMs } from "../../domain/ports/budget-store.ts";
import { createOwnBudgets } from "./budget-store.ts";

const windowMs = 1_000;

function open() {
  const clock = { ms: 0 };
  let last = 0;
  return {
    clock,
    store: createOwnBudgets({ nowMs: () => clock.ms }),
    newReservation: () => String(++last),
  };
}

function budgetOf(key: string, count = 1): Budget {
  return { name: "account", key, count, windowMs };
}

async function fail({ store, newReservation }: ReturnType<typeof open>, budget: Budget): Promise<void> {
  const reservation = newReservation();
  if ((await store.reserve(budget, reservation)).kind !== "reserved")
    throw new Error("there is no place left");
  await store.settle(budget, reservation, true);
}

describe("expiry, to the millisecond", () => {
  test("a failure counts for the window", async () => {
    const own = open();
    const budget = budgetOf("a");
    await fail(own, budget);
    own.clock.ms = windowMs - 1;
    expect(await own.store.reserve(budget, "x")).toEqual({ kind: "spent", retryAfterMs: 1 });
    own.clock.ms = windowMs;
    expect(await own.store.reserve(budget, "x")).toEqual({ kind: "reserved" });
  });

  test("a reservation that is not settled expires after the time of the port", async () => {
    const own = open();
    await own.store.reserve(budgetOf("a"), "lost");
    own.clock.ms = reservationMs - 1;
    expect(await own.store.reserve(budgetOf("a"), "x")).toEqual({ kind: "busy" });
    own.clock.ms = reservationMs;
    expect(await own.store.reserve(budgetOf("a"), "x")).toEqual({ kind: "reserved" });
  });
});

test("above the maximum number of budgets, the least recently used ones are dropped", async () => {
  const own = open();
  const [kept, lost] = [budgetOf("kept", 2), budgetOf("lost")];
  await fail(own, kept);
  await fail(own, lost);
  for (let other = 0; other < 100_000; other++) await fail(own, budgetOf(`first ${other}`));
  await fail(own, kept);
  for (let other = 0; other < 100_000; other++) await fail(own, budgetOf(`second ${other}`));
  expect((await own.store.reserve(kept, "x")).kind).toBe("spent");
  expect((await own.store.reserve(budgetOf("second 0"), "x")).kind).toBe("spent");
  expect((await own.store.reserve(lost, "x")).kind).toBe("reserved");
});

type Step =
  | { readonly kind: "reserve" }
  | { readonly kind: "settle"; readonly which: number; readonly failed: boolean }
  | { readonly kind: "advance"; readonly ms: number };

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("reserve" as const) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("settle" as const),
        which: fc.nat(),
        failed: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(1.5 * windowMs) }),
    },
  ),
  { maxLength: 100 },
);

test("D06: in any order of calls, failures and reservations never exceed the count", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), steps, async (count, all: Step[]) => {
      const { clock, store, newReservation } = open();
      const budget = budgetOf("a", count);
      const held: string[] = [];
      let failures: number[] = [];
      for (const step of all) {
        if (step.kind === "advance") {
          // Places are settled long before they are lost.
          clock.ms += Math.min(step.ms, held.length > 0 ? windowMs / 10 : step.ms);
        } else if (step.kind === "settle") {
          const [reservation] = held.splice(step.which % Math.max(1, held.length), 1);
          if (reservation === undefined) continue;
          await store.settle(budget, reservation, step.failed);
          if (step.failed) failures.push(clock.ms);
        } else {
          failures = failures.filter((at) => clock.ms - at < windowMs);
          const reservation = newReservation();
          const outcome = await store.reserve(budget, reservation);
          const first = failures[failures.length - count] ?? 0;
          expect(outcome).toEqual(
            failures.length >= count
              ? { kind: "spent", retryAfterMs: first + windowMs - clock.ms }
              : { kind: failures.length + held.length >= count ? "busy" : "reserved" },
          );
          if (outcome.kind === "reserved") held.push(reservation);
        }
        failures = failures.filter((at) => clock.ms - at < windowMs);
        expect(failures.length + held.length).toBeLessThanOrEqual(count);
      }
      // Once all are settled nothing is held: what no failure takes is free.
      for (const reservation of held) await store.settle(budget, reservation, false);
      for (let place = failures.length; place < count; place++) {
        expect(await store.reserve(budget, newReservation())).toEqual({ kind: "reserved" });
      }
      expect((await store.reserve(budget, newReservation())).kind).not.toBe("reserved");
    }),
    { numRuns: 300 },
  );
});
