import { setTimeout as delay } from "node:timers/promises";

/** Calls at a fixed rate, independent of their outcomes. */
export interface OpenLoopStream {
  readonly perSecond: number;
  /** Makes one call and returns its outcome; never throws. */
  readonly call: () => Promise<string>;
}

/** How the calls of one stream went. */
export interface StreamReport {
  readonly outcomes: Readonly<Record<string, number>>;
  /** Milliseconds from when a call was due, not from when it was sent: a stall counts for every call that it kept. */
  readonly answeredMs: Spread;
  /** Milliseconds between when a call was due and when it was sent: the generator's own part of it. */
  readonly sentMs: Spread;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Runs all streams at once for the given time, then waits for the open answers. */
export async function runOpenLoop<Name extends string>(
  streams: Readonly<Record<Name, OpenLoopStream>>,
  forMs: number,
): Promise<Record<Name, StreamReport>> {
  const all = Object.entries<OpenLoopStream>(streams).map(
    async ([name, stream]) => [name, await run(stream, forMs)] as const,
  );
  return Object.fromEntries(await Promise.all(all)) as Record<Name, StreamReport>;
}

async function run({ perSecond, call }: OpenLoopStream, forMs: number): Promise<StreamReport> {
  const startMs = performance.now();
  const answeredMs: number[] = [];
  const sentMs: number[] = [];
  const outcomes: Record<string, number> = {};
  const answers: Promise<void>[] = [];
  async function make(dueMs: number): Promise<void> {
    const outcome = await call();
    answeredMs.push(performance.now() - dueMs);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  for (let dueMs = startMs; dueMs < startMs + forMs; dueMs += 1_000 / perSecond) {
    const leftMs = dueMs - performance.now();
    if (leftMs > 0) await delay(leftMs);
    sentMs.push(performance.now() - dueMs);
    answers.push(make(dueMs));
  }
  await Promise.all(answers);
  return { outcomes, answeredMs: spreadOf(answeredMs), sentMs: spreadOf(sentMs) };
}

/** Of no values: zeros. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** For the reader of a report. */
export function describeSpread({ p50, p99, max }: Spread): string {
  return `p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} max ${max.toFixed(1)} ms`;
}
