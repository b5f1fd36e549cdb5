import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthError } from "../../services/auth/src/domain/errors.ts";
import {
  type Budget,
  type BudgetStore,
  reservationMs,
} from "../../services/auth/src/domain/ports/budget-store.ts";
import { newId } from "../support/postgres/stores.ts";

/** Two views of one store, as two replicas have. */
export interface BudgetStoreFixture extends AsyncDisposable {
  readonly stores: readonly [BudgetStore, BudgetStore];
  /** Moves the store's time. */
  readonly advanceClock: (ms: number) => Promise<void>;
}

const windowMs = 600_000;

/** What every budget store must do. */
export function budgetStoreSuite(open: () => Promise<BudgetStoreFixture>): void {
  let fixture: BudgetStoreFixture;
  let store: BudgetStore;
  let other: BudgetStore;

  beforeAll(async () => {
    fixture = await open();
    [store, other] = fixture.stores;
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  const kindOf = async (budget: Budget, by = store) => (await by.reserve(budget, newId())).kind;

  /** Fails so many times, one after the other. */
  async function fail(budget: Budget, times: number): Promise<void> {
    for (let time = 0; time < times; time++) {
      const reservation = newId();
      expect(await store.reserve(budget, reservation)).toEqual({ kind: "reserved" });
      await store.settle(budget, reservation, true);
    }
  }

  /** Holds so many places. @returns what they are held by */
  async function hold(budget: Budget, places: number): Promise<string[]> {
    const held = Array.from({ length: places }, () => newId());
    for (const reservation of held) {
      expect(await store.reserve(budget, reservation)).toEqual({ kind: "reserved" });
    }
    return held;
  }

  test("as many places as the count are held, by both replicas together; the next one is busy", async () => {
    const budget = newBudget(3);
    await hold(budget, 2);
    expect(await other.reserve(budget, newId())).toEqual({ kind: "reserved" });
    expect(await store.reserve(budget, newId())).toEqual({ kind: "busy" });
    expect(await other.reserve(budget, newId())).toEqual({ kind: "busy" });
  });

  test("a place given back is free, and nothing was counted", async () => {
    const budget = newBudget(2);
    for (let round = 0; round < 3; round++) {
      const held = await hold(budget, 2);
      for (const reservation of held) await other.settle(budget, reservation, false);
    }
  });

  test("failures and reserved places count together", async () => {
    const budget = newBudget(3);
    await fail(budget, 2);
    const [held = ""] = await hold(budget, 1);
    expect(await kindOf(budget)).toBe("busy");
    await store.settle(budget, held, false);
    await fail(budget, 1);
    expect(await kindOf(budget)).toBe("spent");
    expect(await kindOf(budget, other)).toBe("spent");
  });

  test("a failure expires after the window, also at a given time", async () => {
    const budget = newBudget(2);
    await fail(budget, 1);
    await fixture.advanceClock(200_000);
    await fail(budget, 1);
    const spent = await store.reserve(budget, newId());
    const wait = retryAfterMs(spent);
    expect(wait).toBeGreaterThan(windowMs - 200_000 - 30_000);
    expect(wait).toBeLessThanOrEqual(windowMs - 200_000);
    await fixture.advanceClock(wait);
    const [held = ""] = await hold(budget, 1);
    expect(await kindOf(budget)).toBe("busy");
    await store.settle(budget, held, false);
    // What went by of itself between the two failures, the second has yet to wait for.
    await fixture.advanceClock(230_000);
    await hold(budget, 2);
  });

  test("where the count was lowered, the wait is for the failure that is in the way", async () => {
    const budget = newBudget(3);
    for (let time = 0; time < 3; time++) {
      await fail(budget, 1);
      await fixture.advanceClock(100_000);
    }
    // Of three failures two must be forgotten before one place of two is free.
    const spent = await store.reserve({ ...budget, count: 2 }, newId());
    expect(retryAfterMs(spent)).toBeGreaterThan(windowMs - 200_000 - 30_000);
    expect(retryAfterMs(spent)).toBeLessThanOrEqual(windowMs - 200_000);
  });

  test("a place that is never settled is free again later", async () => {
    const budget = newBudget(2);
    const [lost = ""] = await hold(budget, 2);
    await fixture.advanceClock(reservationMs);
    await hold(budget, 2);
    // A caller that settles this late changes nothing.
    await store.settle(budget, lost, false);
    expect(await kindOf(budget)).toBe("busy");
  });

  test("a guess that took longer than its place was held is counted all the same", async () => {
    const budget = newBudget(1);
    const [late = ""] = await hold(budget, 1);
    await fixture.advanceClock(reservationMs);
    await store.settle(budget, late, true);
    expect(await kindOf(budget)).toBe("spent");
  });

  test("a place that was never held is given back in vain", async () => {
    const budget = newBudget(1);
    await store.settle(budget, newId(), false);
    await hold(budget, 1);
    await store.settle(budget, newId(), false);
    expect(await kindOf(budget)).toBe("busy");
  });

  test("budgets differ by name and by key", async () => {
    const budget = newBudget(1);
    const others: Budget[] = [
      { ...budget, name: "address" },
      { ...budget, key: `${budget.key} ` },
      { ...budget, key: "" },
    ];
    await fail(budget, 1);
    for (const one of others) await hold(one, 1);
    expect(await kindOf(budget)).toBe("spent");
  });

  describe("D06", () => {
    test("of 100 that ask at once, as many get a place as there are", async () => {
      const askAtOnce = (budget: Budget) =>
        Promise.all(
          Array.from({ length: 100 }, async (_, index) => {
            const reservation = newId();
            const asked = (index % 2 === 0 ? store : other).reserve(budget, reservation);
            return { kind: await asked.then(({ kind }) => kind, unanswered), reservation };
          }),
        );
      for (let rounds = 1; ; rounds += 1) {
        const budget = newBudget(10);
        const got = await askAtOnce(budget);
        const held = got.filter(({ kind }) => kind === "reserved");
        expect(held.length).toBeLessThanOrEqual(10);
        // An unanswered reservation may or may not have a place.
        if (got.some(({ kind }) => kind === "unanswered")) {
          expect(rounds).toBeLessThan(10);
          continue;
        }
        expect(held).toHaveLength(10);
        expect(got.filter(({ kind }) => kind === "busy")).toHaveLength(90);
        await Promise.all(held.map(({ reservation }) => other.settle(budget, reservation, true)));
        expect(await kindOf(budget)).toBe("spent");
        break;
      }
    });

    test("failures that are settled at once are all counted", async () => {
      const budget = newBudget(100);
      const held = await hold(budget, 99);
      await Promise.all(
        held.map((one, index) => (index % 2 === 0 ? store : other).settle(budget, one, true)),
      );
      await fail(budget, 1);
      expect(await kindOf(budget)).toBe("spent");
    });
  });
}

/** The outcome of a call whose answer was lost on an overloaded machine. */
function unanswered(error: unknown): "unanswered" {
  if (error instanceof AuthError && error.reason === "UNAVAILABLE") return "unanswered";
  throw error;
}

/** Of an account that no other test has. */
function newBudget(count: number): Budget {
  return { name: "account", key: `somebody ${newId()}\x00192.0.2.1`, count, windowMs };
}

function retryAfterMs(outcome: Awaited<ReturnType<BudgetStore["reserve"]>>): number {
  if (outcome.kind !== "spent") throw new Error(`it is ${outcome.kind}`);
  return outcome.retryAfterMs;
}
