import { type Introspection, type Operation, rules, type Violation, violationsOf } from "./history.ts";

/** What a load has found. Nothing in it is a secret. */
export interface LoadReport {
  /** Repeats what the lanes chose. */
  readonly seed: number;
  readonly seconds: number;
  readonly calls: number;
  /** Calls with a verdict, each of which was checked. */
  readonly checked: number;
  readonly perSecond: number;
  /** Calls without a verdict among all, from 0 to 1. */
  readonly unknownRatio: number;
  /** The longest that a call took, in milliseconds. */
  readonly slowestMs: number;
  /** How often each kind of call had each outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Answers of Introspect that the rest of the history rules out. */
  readonly violations: readonly Violation[];
  /** Answers that are wrong by themselves, in words. */
  readonly wrong: readonly string[];
  /** Living sessions whose refresh was refused, in words. */
  readonly lost: readonly string[];
  /** Calls that had no answer by their deadline and the slack, in words. */
  readonly pastDeadline: readonly string[];
  /** Sessions that both servers found living, and dead, at the end. */
  readonly verified: { readonly living: number; readonly dead: number };
}

export interface FinishedCall {
  readonly kind: string;
  readonly outcome: string;
  readonly hasVerdict: boolean;
  readonly ms: number;
}

/** Takes down what the lanes of a load do and find. */
export class LoadRecord {
  readonly history: Operation[] = [];
  readonly wrong: string[] = [];
  readonly lost: string[] = [];
  readonly pastDeadline: string[] = [];
  readonly verified = { living: 0, dead: 0 };
  /** Why the last session that could not be opened was not. */
  openFault: unknown;
  readonly #seed: number;
  readonly #startedAt = performance.now();
  readonly #outcomes = new Map<string, number>();
  #waiting: { readonly calls: number; readonly resolve: () => void }[] = [];
  #calls = 0;
  #checked = 0;
  #slowestMs = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  finished({ kind, outcome, hasVerdict, ms }: FinishedCall): void {
    this.#calls += 1;
    if (hasVerdict) this.#checked += 1;
    this.#slowestMs = Math.max(this.#slowestMs, ms);
    const name = `${kind}: ${outcome}`;
    this.#outcomes.set(name, (this.#outcomes.get(name) ?? 0) + 1);
    const due = this.#waiting.filter(({ calls }) => calls <= this.#calls);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => !due.includes(one));
    for (const { resolve } of due) resolve();
  }

  /** Resolves when so many more calls have finished. */
  more(calls: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ calls: this.#calls + calls, resolve }));
  }

  report(): LoadReport {
    const seconds = (performance.now() - this.#startedAt) / 1_000;
    const [calls, checked] = [this.#calls, this.#checked];
    return {
      seed: this.#seed,
      seconds,
      calls,
      checked,
      perSecond: calls / seconds,
      unknownRatio: calls === 0 ? 0 : 1 - checked / calls,
      slowestMs: this.#slowestMs,
      outcomes: Object.fromEntries([...this.#outcomes].sort(([one], [other]) => (one < other ? -1 : 1))),
      violations: violationsOf(this.history),
      wrong: this.wrong,
      lost: this.lost,
      pastDeadline: this.pastDeadline,
      verified: this.verified,
    };
  }
}

/** Everything in a report that ought not to be, in words; of each kind the first few and their number. */
export function faultsOf({ violations, wrong, lost, pastDeadline }: LoadReport): string[] {
  const kinds = {
    violations: violations.map(tellViolation),
    "wrong verdicts": wrong,
    "sessions lost": lost,
    "calls past their deadline": pastDeadline,
  };
  return Object.entries(kinds).flatMap(([name, all]) =>
    all.length === 0 ? [] : [`${all.length} ${name}:`, ...all.slice(0, 5).map((one) => `  ${one}`)],
  );
}

/** A report for the reader, without its faults. */
export function describeReport(report: LoadReport): string {
  const { seed, checked, calls, seconds, perSecond, unknownRatio, slowestMs, outcomes, verified } = report;
  return [
    `${checked} checked operations of ${calls} calls in ${seconds.toFixed(1)} s (${perSecond.toFixed(0)}/s)`,
    `without a verdict ${(unknownRatio * 100).toFixed(2)} %, slowest call ${slowestMs.toFixed(0)} ms, seed ${seed}`,
    `at the end ${verified.living} sessions living and ${verified.dead} dead on both servers`,
    ...Object.entries(outcomes).map(([name, count]) => `  ${name} ${count}`),
  ].join("\n");
}

function tellViolation({ rule, operation, contradicts }: Violation): string {
  const against = contradicts === undefined ? "" : `; against ${tellOperation(contradicts)}`;
  return `${rules[rule]}: ${tellOperation(operation)}${against}`;
}

function tellOperation(operation: NonNullable<Violation["contradicts"]>): string {
  const { on, begin, end, outcome } = operation;
  const what = operation.kind === "revoke" ? `${operation.target} ${operation.id}` : tokenOf(operation);
  return `${operation.kind} ${what} on ${on} ${outcome}, ${begin.toFixed(2)} to ${end.toFixed(2)} ms`;
}

function tokenOf({ token, user }: Introspection): string {
  return `${token} of ${user}`;
}
