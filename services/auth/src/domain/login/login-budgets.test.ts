import { describe, expect, test, vi } from "vitest";
import { createOwnBudgets } from "../../store/memory/budget-store.ts";
import { AuthError } from "../errors.ts";
import type { Budget, BudgetStore } from "../ports/budget-store.ts";
import { budgetsOf, createLoginBudgets, type LoginAttempt, type Reservation } from "./login-budgets.ts";
import type { LoginLimits } from "./login-limits.ts";

const patience = { timeout: 20_000 };
const never = new AbortController().signal;
const minute = 60_000;
const limits: LoginLimits = {
  account: { count: 3, windowMs: 10 * minute },
  accountAll: { count: 6, windowMs: 60 * minute },
  address: { count: 8, windowMs: 10 * minute },
  total: { count: 10, windowMs: minute },
};
const none: LoginLimits = { account: undefined, accountAll: undefined, address: undefined, total: undefined };
const device = { kind: "device", userId: "user", deviceId: "phone" } as const;

/** An unknown client, by default. */
function by(address: string | undefined, account = "alice", knownBy?: LoginAttempt["knownBy"]): LoginAttempt {
  return { account, address, knownBy };
}

interface Options {
  readonly limits?: LoginLimits;
  /** Beside the own ones. */
  readonly stores?: readonly BudgetStore[];
}

/** Budgets by a clock that only pauses and the test move. */
function open({ limits: held = limits, stores = [] }: Options = {}) {
  const clock = { ms: 0 };
  const own = createOwnBudgets({ nowMs: () => clock.ms });
  const onLimit = vi.fn();
  let ids = 0;
  const pause = vi.fn(async (ms: number, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    clock.ms += ms;
  });
  const budgets = createLoginBudgets({
    stores: [own, ...stores],
    limits: held,
    newId: () => String(++ids),
    monotonicMs: () => clock.ms,
    pause,
    onLimit,
  });
  const reserve = (attempt: LoginAttempt, signal = never) => budgets.reserve(attempt, signal);
  return {
    clock,
    own,
    onLimit,
    pause,
    reserve,
    async fail(attempt: LoginAttempt, times = 1): Promise<void> {
      for (let time = 0; time < times; time++) await (await reserve(attempt)).settle(true);
    },
    async refusal(attempt: LoginAttempt): Promise<string> {
      const reservation = await reserve(attempt).catch((error: unknown) => error);
      if (reservation instanceof AuthError) return reservation.reason;
      await (reservation as Reservation).settle(false);
      return "reserved";
    },
  };
}

/** A store that does what `reserve` does, and notes who settled what. */
function storeWith(reserve: BudgetStore["reserve"]) {
  const settled: [name: string, failed: boolean][] = [];
  const store: BudgetStore = {
    reserve,
    async settle({ name }, _, failed) {
      settled.push([name, failed]);
    },
  };
  return { store, settled };
}

/** Exactly so many places are free in a store. */
async function expectFree(store: BudgetStore, budget: Budget, places: number): Promise<void> {
  for (let place = 0; place < places; place++) {
    expect(await store.reserve(budget, `probe ${place}`)).toEqual({ kind: "reserved" });
  }
  expect((await store.reserve(budget, "one more")).kind).not.toBe("reserved");
}

describe("the budgets of an attempt", () => {
  const namesOf = (attempt: LoginAttempt, held = limits) => budgetsOf(held, attempt).map(({ name }) => name);

  test("of an unknown client are four, each with its count, window and key", () => {
    expect(budgetsOf(limits, by("192.0.2.1"))).toEqual([
      { name: "account", key: "alice\x00192.0.2.1", count: 3, windowMs: 10 * minute },
      { name: "account_all", key: "alice", count: 6, windowMs: 60 * minute },
      { name: "address", key: "192.0.2.1", count: 8, windowMs: 10 * minute },
      { name: "total", key: "", count: 10, windowMs: minute },
    ]);
  });

  test("of an unknown client without a reported address do not include `address`", () => {
    expect(namesOf(by(undefined))).toEqual(["account", "account_all", "total"]);
  });

  test("of a known client are one, which unknown clients do not use", () => {
    expect(budgetsOf(limits, by("192.0.2.1", "alice", device))).toEqual([
      { name: "device", key: "user\x00phone", count: 3, windowMs: 10 * minute },
    ]);
    expect(budgetsOf(limits, by("192.0.2.1", "alice", { kind: "address" }))).toEqual([
      { name: "known_address", key: "alice\x00192.0.2.1", count: 3, windowMs: 10 * minute },
    ]);
    expect(namesOf(by("192.0.2.1"))).not.toContain("known_address");
  });

  test("do not include limits that are switched off", () => {
    expect(namesOf(by("192.0.2.1"), none)).toEqual([]);
    expect(namesOf(by("192.0.2.1", "alice", device), none)).toEqual([]);
    for (const [limit, name] of [
      ["account", "account"],
      ["accountAll", "account_all"],
      ["address", "address"],
      ["total", "total"],
    ] as const) {
      expect(namesOf(by("192.0.2.1"), { ...none, [limit]: limits[limit] })).toEqual([name]);
    }
  });
});

describe("a budget that is used up", () => {
  test("refuses at its count, with the time until a retry", async () => {
    const { reserve, fail, clock, onLimit, refusal } = open();
    await fail(by("192.0.2.1"), 3);
    clock.ms = minute;
    await expect(reserve(by("192.0.2.1"))).rejects.toMatchObject({
      reason: "RATE_LIMITED",
      retryAfterMs: 9 * minute,
    });
    expect(onLimit.mock.calls).toEqual([["account", "refused"]]);
    expect(await refusal(by("192.0.2.2"))).toBe("reserved");
    clock.ms = 10 * minute;
    expect(await refusal(by("192.0.2.1"))).toBe("reserved");
  });

  test("counts the account over all addresses, and the address over all accounts", async () => {
    const { fail, onLimit, refusal } = open();
    await fail(by("192.0.2.1"), 3);
    await fail(by("192.0.2.2"), 3);
    expect(await refusal(by("192.0.2.3"))).toBe("RATE_LIMITED");
    expect(onLimit).toHaveBeenLastCalledWith("account_all", "refused");
    const other = open();
    for (let account = 0; account < 8; account++) await other.fail(by("192.0.2.1", `user ${account}`));
    expect(await other.refusal(by("192.0.2.1", "another"))).toBe("RATE_LIMITED");
    expect(other.onLimit).toHaveBeenLastCalledWith("address", "refused");
  });

  test("D05: of unknown clients does not refuse known clients, and theirs does not refuse others", async () => {
    const { fail, refusal, onLimit } = open();
    const known = by("192.0.2.1", "alice", { kind: "address" });
    for (const address of ["192.0.2.1", "192.0.2.2"]) await fail(by(address), 3);
    for (const attempt of [by("192.0.2.9", "alice", device), known]) {
      expect(await refusal(attempt)).toBe("reserved");
    }
    await fail(known, 3);
    expect(await refusal(known)).toBe("RATE_LIMITED");
    expect(onLimit).toHaveBeenLastCalledWith("known_address", "refused");
    await fail(by(undefined, "alice", device), 3);
    expect(await refusal(by(undefined, "alice", device))).toBe("RATE_LIMITED");
    expect(onLimit).toHaveBeenLastCalledWith("device", "refused");
    expect(await refusal(by(undefined, "alice", { ...device, deviceId: "tablet" }))).toBe("reserved");
    expect(await refusal(by("192.0.2.1", "bob"))).toBe("reserved");
  });

  test("holds no place in any other budget after a refusal", async () => {
    const { fail, refusal, reserve } = open();
    await fail(by("192.0.2.1"), 3);
    for (let times = 0; times < 20; times++) expect(await refusal(by("192.0.2.1"))).toBe("RATE_LIMITED");
    const held = [0, 1, 2].map((host) => reserve(by(`192.0.2.${10 + host}`)));
    expect(await Promise.all(held)).toHaveLength(3);
  });

  test("reports a wait of at least a millisecond", async () => {
    const { store } = storeWith(async () => ({ kind: "spent", retryAfterMs: 0 }));
    await expect(open({ stores: [store] }).reserve(by(undefined))).rejects.toMatchObject({ retryAfterMs: 1 });
  });
});

describe("a released reservation", () => {
  test("does not count, however often it is made", async () => {
    const { refusal, clock } = open();
    for (let times = 0; times < 50; times++) expect(await refusal(by("192.0.2.1"))).toBe("reserved");
    expect(clock.ms).toBe(0);
  });

  test("admits the attempt that waited for it", async () => {
    const { reserve, pause, clock, onLimit } = open();
    const held = await Promise.all([0, 1, 2].map(() => reserve(by("192.0.2.1"))));
    pause.mockImplementation(async (ms) => {
      clock.ms += ms;
      if (pause.mock.calls.length === 3) await held[0]?.settle(false);
    });
    await (await reserve(by("192.0.2.1"))).settle(false);
    expect(pause).toHaveBeenCalledTimes(3);
    expect(onLimit.mock.calls).toEqual([["account", "waited"]]);
  });

  test("that became a failure refuses the attempt that waited for it", async () => {
    const { reserve, pause, refusal } = open();
    const held = await Promise.all([0, 1, 2].map(() => reserve(by("192.0.2.1"))));
    pause.mockImplementation(async () => {
      await Promise.all(held.map((reservation) => reservation.settle(true)));
    });
    expect(await refusal(by("192.0.2.1"))).toBe("RATE_LIMITED");
  });
});

describe("a wait", () => {
  test("ends with OVERLOADED after four seconds in which nothing is settled", async () => {
    const { reserve, clock, refusal } = open();
    await Promise.all([0, 1, 2].map(() => reserve(by("192.0.2.1"))));
    expect(await refusal(by("192.0.2.1"))).toBe("OVERLOADED");
    expect(clock.ms).toBe(4_000);
  });

  test("is longer if more attempts wait for the same budget, and independent of other budgets", async () => {
    const { reserve, pause, refusal } = open();
    const accounts = ["alice", "bob"];
    const hold = (account: string) => Promise.all([0, 1, 2].map(() => reserve(by(undefined, account))));
    const held = (await Promise.all(accounts.map(hold))).flat();
    const resume = Promise.withResolvers<void>();
    pause.mockReturnValue(resume.promise);
    const waiting = ["alice", "alice", "bob"].map((account) => refusal(by(undefined, account)));
    await vi.waitUntil(() => pause.mock.calls.length === 3, patience);
    expect(pause.mock.calls.map(([ms]) => ms)).toEqual([10, 20, 10]);
    await Promise.all(held.map((reservation) => reservation.settle(false)));
    resume.resolve();
    expect(await Promise.all(waiting)).toEqual(["reserved", "reserved", "reserved"]);
    // Who comes later is the first again.
    await hold("bob");
    pause.mockRejectedValueOnce(new Error("waits"));
    await expect(reserve(by(undefined, "bob"))).rejects.toThrow("waits");
    expect(pause).toHaveBeenLastCalledWith(10, never);
  });

  test("ends when the caller hangs up, and holds no place", async () => {
    const { reserve, fail, refusal } = open();
    const held = await Promise.all([0, 1, 2].map(() => reserve(by("192.0.2.1"))));
    const gone = AbortSignal.abort(new Error("gone"));
    await expect(reserve(by("192.0.2.1"), gone)).rejects.toThrow("gone");
    await Promise.all(held.map((reservation) => reservation.settle(false)));
    await fail(by("192.0.2.1"), 2);
    expect(await refusal(by("192.0.2.1"))).toBe("reserved");
  });

  test("is limited in number: one more attempt is refused with OVERLOADED immediately", async () => {
    const { reserve, pause, refusal } = open();
    const held = await Promise.all([0, 1, 2].map(() => reserve(by("192.0.2.1"))));
    const resume = Promise.withResolvers<void>();
    pause.mockReturnValue(resume.promise);
    const waiting = Array.from({ length: 500 }, () => refusal(by("192.0.2.1")));
    await vi.waitUntil(() => pause.mock.calls.length === 500, patience);
    expect(await refusal(by("192.0.2.1"))).toBe("OVERLOADED");
    await Promise.all(held.map((reservation) => reservation.settle(true)));
    resume.resolve();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(["RATE_LIMITED"]));
    // No attempt waits any more.
    pause.mockReset();
    await Promise.all([0, 1, 2].map(() => reserve(by("192.0.2.2"))));
    pause.mockRejectedValueOnce(new Error("waits again"));
    await expect(reserve(by("192.0.2.2"))).rejects.toThrow("waits again");
  });
});

describe("the total", () => {
  const total: LoginLimits = { ...none, account: limits.account, total: { count: 4, windowMs: 2_000 } };

  test("makes an unknown client wait once for a free place", async () => {
    const { fail, refusal, clock, onLimit, pause } = open({ limits: total });
    for (let user = 0; user < 4; user++) await fail(by("192.0.2.1", `user ${user}`));
    expect(await refusal(by("192.0.2.1", "another"))).toBe("reserved");
    expect(clock.ms).toBe(2_000);
    expect(pause).toHaveBeenCalledTimes(1);
    expect(onLimit.mock.calls).toEqual([["total", "waited"]]);
  });

  test("refuses an unknown client immediately if no place will be free in four seconds", async () => {
    const long = { ...total, total: { count: 4, windowMs: minute } };
    const { fail, reserve, clock, onLimit } = open({ limits: long });
    for (let user = 0; user < 4; user++) await fail(by("192.0.2.1", `user ${user}`));
    clock.ms = minute - 4_001;
    const refused = { reason: "RATE_LIMITED", retryAfterMs: 4_001 };
    await expect(reserve(by("192.0.2.1", "another"))).rejects.toMatchObject(refused);
    expect(onLimit.mock.calls).toEqual([["total", "refused"]]);
    clock.ms += 1;
    await (await reserve(by("192.0.2.1", "another"))).settle(false);
    expect(clock.ms).toBe(minute);
  });

  test("refuses an unknown client if others took the free place", async () => {
    const { fail, refusal, pause, clock } = open({ limits: total });
    for (let user = 0; user < 4; user++) await fail(by("192.0.2.1", `user ${user}`));
    pause.mockImplementationOnce(async () => {
      clock.ms = 3_000;
      for (let user = 4; user < 8; user++) await fail(by("192.0.2.1", `user ${user}`));
    });
    expect(await refusal(by("192.0.2.1", "another"))).toBe("RATE_LIMITED");
    expect(clock.ms).toBe(3_000);
  });

  test("D05: does not delay known clients", async () => {
    const { fail, refusal, clock } = open({ limits: total });
    for (let user = 0; user < 4; user++) await fail(by("192.0.2.1", `user ${user}`));
    expect(await refusal(by("192.0.2.1", "alice", device))).toBe("reserved");
    expect(await refusal(by("192.0.2.1", "alice", { kind: "address" }))).toBe("reserved");
    expect(clock.ms).toBe(0);
  });
});

describe("with several stores", () => {
  test("a store that is down is skipped when reserving and when settling", async () => {
    const down = async () => {
      throw new AuthError("UNAVAILABLE");
    };
    const { fail, refusal } = open({ stores: [{ reserve: down, settle: down }] });
    await fail(by("192.0.2.1"), 3);
    expect(await refusal(by("192.0.2.1"))).toBe("RATE_LIMITED");
    expect(await refusal(by("192.0.2.2"))).toBe("reserved");
  });

  test("any other error of a store is thrown", async () => {
    const { store } = storeWith(() => Promise.reject(new TypeError("a fault")));
    await expect(open({ stores: [store] }).reserve(by(undefined))).rejects.toThrow("a fault");
  });

  test("each may refuse, and earlier places are then released in each", async () => {
    const shared = storeWith(async ({ name }) =>
      name === "address" ? { kind: "spent", retryAfterMs: 7_000 } : { kind: "reserved" },
    );
    const { reserve, refusal, onLimit, own } = open({ stores: [shared.store] });
    await expect(reserve(by("192.0.2.1"))).rejects.toMatchObject({ retryAfterMs: 7_000 });
    expect(onLimit.mock.calls).toEqual([["address", "refused"]]);
    expect(shared.settled).toEqual([
      ["account", false],
      ["account_all", false],
    ]);
    for (let times = 0; times < 20; times++) expect(await refusal(by("192.0.2.1"))).toBe("RATE_LIMITED");
    for (const budget of budgetsOf(limits, by("192.0.2.1"))) await expectFree(own, budget, budget.count);
  });

  test("a place whose answer was lost is settled too", async () => {
    const lost = storeWith(() => Promise.reject(new AuthError("UNAVAILABLE")));
    await open({ stores: [lost.store] }).fail(by(undefined));
    expect(lost.settled).toEqual([
      ["account", true],
      ["account_all", true],
      ["total", true],
    ]);
  });
});
