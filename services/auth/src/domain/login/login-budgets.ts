import { PosternError } from "../errors.ts";
import type { Budget, BudgetName, BudgetStore, ReserveOutcome } from "../ports/budget-store.ts";
import type { NewId, Uuid } from "../ports/ids.ts";
import type { Limit, LoginLimits } from "./login-limits.ts";

/** Who tries to log in, as far as it matters for counting. */
export interface LoginAttempt {
  /** What was typed, folded. Not the user's id: one that has none must not be counted otherwise. */
  readonly account: string;
  /** Folded by `addressKey`; undefined where nobody who is believed has told it. */
  readonly address: string | undefined;
  /** By what the account knows whoever tries; undefined: a stranger. */
  readonly knownBy:
    | { readonly kind: "device"; readonly userId: Uuid; readonly deviceId: Uuid | "outdated" }
    | { readonly kind: "address" }
    | undefined;
}

/** A place in every budget that an attempt draws on. */
export interface Admission {
  /** `failed`: the password was wrong. */
  settle(failed: boolean): Promise<void>;
}

/** Bears a limited number of failed logins. */
export interface LoginBudgets {
  /**
   * Waits while attempts in flight could use up what is left.
   * @throws LoginLimitError `RATE_LIMITED` where a budget is spent
   * @throws PosternError `OVERLOADED` where the wait is too long
   */
  admit(attempt: LoginAttempt, signal: AbortSignal): Promise<Admission>;
}

/** A budget of failed logins is spent. */
export class LoginLimitError extends PosternError {
  readonly budget: BudgetName;

  constructor(budget: BudgetName, retryAfterMs: number) {
    super("RATE_LIMITED", { retryAfterMs });
    this.budget = budget;
  }
}

export interface LoginBudgetsDeps {
  /** All of them count, the nearest first; one that is down is passed over. */
  readonly stores: readonly BudgetStore[];
  readonly limits: LoginLimits;
  readonly newId: NewId;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
  /** @throws what `signal` is aborted with */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told which budget refused an attempt, or made it wait. */
  readonly onLimit: (budget: BudgetName, what: "refused" | "waited") => void;
}

/** All that wait for one budget together try so often. */
const turnMs = 10;
/** Maximum time that an attempt waits. A hash takes about 20 ms. */
const timeoutMs = 4_000;
/** So many wait at once. */
const maxWaiting = 500;

type Refusal = Exclude<ReserveOutcome, { kind: "reserved" }> & { readonly budget: Budget };

export function createLoginBudgets(deps: LoginBudgetsDeps): LoginBudgets {
  /** How many wait, by what they wait for. */
  const lines = new Map<string, number>();
  let waiting = 0;

  /** Waits the longer the more wait for the same budget: a crowd costs the stores no more than a few. */
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

  async function admit(budgets: readonly Budget[], signal: AbortSignal): Promise<Admission> {
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
      // The total is everybody's: a stranger waits where there will be room in it in time.
      if (refusal.kind === "spent" && (budget.name !== "total" || retryAfterMs > leftMs)) {
        deps.onLimit(budget.name, "refused");
        throw new LoginLimitError(budget.name, retryAfterMs);
      }
      if (leftMs <= 0) throw new PosternError("OVERLOADED");
      if (isFirst) deps.onLimit(budget.name, "waited");
      await takeTurn(budget, retryAfterMs, leftMs, signal);
    }
  }

  return { admit: (attempt, signal) => admit(budgetsOf(deps.limits, attempt), signal) };
}

/** What an attempt draws on. Whoever is known has a budget of its own, which no stranger can spend. */
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

/** Takes a place in every budget of every store, or in none. */
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

/** How often somebody may guess degrades with its store; who somebody is would not. */
async function unlessDown<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof PosternError && error.reason === "UNAVAILABLE") return undefined;
    throw error;
  }
}
