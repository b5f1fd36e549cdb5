import { AuthError } from "../errors.ts";
import type { Budget, BudgetName, BudgetStore, ReserveOutcome } from "../ports/budget-store.ts";
import type { DeviceId, NewId, UserId } from "../ports/ids.ts";
import type { Limit, LoginLimits } from "./login-limits.ts";

/** An attempt to log in, as it is counted. */
export interface LoginAttempt {
  /** The folded text of the request. Not the user's ID, because unknown users are counted in the same way. */
  readonly account: string;
  /** Folded by `addressKey`; undefined if no trusted caller reported one. */
  readonly address: string | undefined;
  /** How the account knows the client; undefined: it does not. */
  readonly knownBy:
    | { readonly kind: "device"; readonly userId: UserId; readonly deviceId: DeviceId | "outdated" }
    | { readonly kind: "address" }
    | undefined;
}

/** A place in every budget of an attempt. */
export interface Reservation {
  /** @param failed the password was wrong: the place becomes a failure. Otherwise it is released */
  settle(failed: boolean): Promise<void>;
}

/** Limits failed logins. */
export interface LoginBudgets {
  /**
   * Waits while attempts in flight could use up the rest of a budget.
   * @throws LoginLimitError `RATE_LIMITED` if a budget is used up
   * @throws AuthError `OVERLOADED` if the wait is too long
   */
  reserve(attempt: LoginAttempt, signal: AbortSignal): Promise<Reservation>;
}

/** A budget of failed logins is used up. */
export class LoginLimitError extends AuthError {
  readonly budget: BudgetName;

  constructor(budget: BudgetName, retryAfterMs: number) {
    super("RATE_LIMITED", { retryAfterMs });
    this.budget = budget;
  }
}

export interface LoginBudgetsDeps {
  /** Every store counts, the nearest first. A store that is down is skipped. */
  readonly stores: readonly BudgetStore[];
  readonly limits: LoginLimits;
  readonly newId: NewId;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
  /** @throws the reason of `signal` */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A budget refused an attempt or made it wait. */
  readonly onLimit: (budget: BudgetName, what: "refused" | "waited") => void;
}

/** Time between two attempts to reserve, for all that wait for one budget. */
const turnMs = 10;
/** Maximum time that an attempt waits. A hash takes about 20 ms. */
const timeoutMs = 4_000;
/** Maximum number of attempts that wait at the same time. */
const maxWaiting = 500;

type Refusal = Exclude<ReserveOutcome, { kind: "reserved" }> & { readonly budget: Budget };

export function createLoginBudgets(deps: LoginBudgetsDeps): LoginBudgets {
  /** The number of waiting attempts by budget. */
  const lines = new Map<string, number>();
  let waiting = 0;

  /** Waits longer if more attempts wait for the same budget, so that many of them cost the stores no more than a few. */
  async function takeTurn({ name, key }: Budget, atLeastMs: number, atMostMs: number, signal: AbortSignal) {
    const line = `${name}\0${key}`;
    const place = (lines.get(line) ?? 0) + 1;
    lines.set(line, place);
    waiting += 1;
    try {
      await deps.pause(Math.min(atMostMs, Math.max(atLeastMs, place * turnMs)), signal);
    } finally {
      waiting -= 1;
      const left = (lines.get(line) ?? 1) - 1;
      if (left > 0) lines.set(line, left);
      else lines.delete(line);
    }
  }

  async function reserve(budgets: readonly Budget[], signal: AbortSignal): Promise<Reservation> {
    const reservation = deps.newId();
    const startedAtMs = deps.monotonicMs();
    for (let isFirst = true; ; isFirst = false) {
      const refusal = await reserveAll(deps.stores, budgets, reservation);
      if (refusal === undefined) {
        return { settle: (failed) => settleAll(deps.stores, budgets, reservation, failed) };
      }
      const { budget } = refusal;
      const leftMs = waiting < maxWaiting ? startedAtMs + timeoutMs - deps.monotonicMs() : 0;
      const retryAfterMs = refusal.kind === "spent" ? Math.max(1, Math.ceil(refusal.retryAfterMs)) : 0;
      // All unknown clients share the total. An attempt waits if a place will be free in time.
      if (refusal.kind === "spent" && (budget.name !== "total" || retryAfterMs > leftMs)) {
        deps.onLimit(budget.name, "refused");
        throw new LoginLimitError(budget.name, retryAfterMs);
      }
      if (leftMs <= 0) throw new AuthError("OVERLOADED");
      if (isFirst) deps.onLimit(budget.name, "waited");
      await takeTurn(budget, retryAfterMs, leftMs, signal);
    }
  }

  return { reserve: (attempt, signal) => reserve(budgetsOf(deps.limits, attempt), signal) };
}

/** The budgets of an attempt. A known client has a budget of its own, which unknown clients cannot use up. */
export function budgetsOf(limits: LoginLimits, { account, address, knownBy }: LoginAttempt): Budget[] {
  const budget = (name: BudgetName, limit: Limit | undefined, ...key: readonly string[]): Budget[] =>
    limit === undefined ? [] : [{ name, key: key.join("\0"), ...limit }];
  switch (knownBy?.kind) {
    case "device":
      return budget("device", limits.account, knownBy.userId, knownBy.deviceId);
    case "address":
      return budget("known_address", limits.account, account, address ?? "");
    case undefined:
      return [
        ...budget("account", limits.account, account, address ?? ""),
        ...budget("account_all", limits.accountAll, account),
        ...(address === undefined ? [] : budget("address", limits.address, address)),
        ...budget("total", limits.total),
      ];
  }
}

/** Reserves a place in every budget of every store, or in none. */
async function reserveAll(
  stores: readonly BudgetStore[],
  budgets: readonly Budget[],
  reservation: string,
): Promise<Refusal | undefined> {
  const taken: (readonly [BudgetStore, Budget])[] = [];
  for (const store of stores) {
    for (const budget of budgets) {
      const outcome = await unlessDown(store.reserve(budget, reservation));
      if (outcome === undefined || outcome.kind === "reserved") {
        taken.push([store, budget]);
        continue;
      }
      await Promise.all(taken.map(([one, held]) => unlessDown(one.settle(held, reservation, false))));
      return { ...outcome, budget };
    }
  }
  return undefined;
}

async function settleAll(
  stores: readonly BudgetStore[],
  budgets: readonly Budget[],
  reservation: string,
  failed: boolean,
): Promise<void> {
  await Promise.all(
    stores.flatMap((store) => budgets.map((budget) => unlessDown(store.settle(budget, reservation, failed)))),
  );
}

/** Without a store the limits are weaker, and logins go on. */
async function unlessDown<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof AuthError && error.reason === "UNAVAILABLE") return undefined;
    throw error;
  }
}
