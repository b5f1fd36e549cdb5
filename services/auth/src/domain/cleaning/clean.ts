import { type CleanedKind, type Cleaner, cleanedKinds } from "../ports/cleaner.ts";

export interface CleanDeps {
  readonly cleaner: Cleaner;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
  /** Throws where the signal comes first. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<unknown>;
  readonly onCleaned: (kind: CleanedKind, rows: number) => void;
}

/** Rows of the first batch; twice as many as long as batches are quick, half as many once one is not. */
const firstAtOnce = 100;
const mostAtOnce = 1_000;
/** Whoever wants a row of a batch waits for it so long at the most; milliseconds. */
const quickMs = 50;
/** After each batch so many times as long as it took. */
const rest = 3;

/**
 * Deletes what nobody needs any more, by batches with rests between them, so that a table with millions of such rows
 * takes a quarter of one connection at the most. Of replicas that meet all but one give up.
 */
export async function clean(deps: CleanDeps, signal: AbortSignal): Promise<void> {
  for (const kind of cleanedKinds) {
    if ((await cleanKind(deps, kind, signal)) === "busy") return;
  }
}

async function cleanKind(
  { cleaner, monotonicMs, pause, onCleaned }: CleanDeps,
  kind: CleanedKind,
  signal: AbortSignal,
): Promise<"clean" | "busy"> {
  let limit = firstAtOnce;
  let from: Date | undefined;
  for (;;) {
    signal.throwIfAborted();
    const startedAtMs = monotonicMs();
    const outcome = await cleaner.clean(kind, { limit, from });
    const tookMs = monotonicMs() - startedAtMs;
    if (outcome.kind === "busy") return "busy";
    onCleaned(kind, outcome.rows);
    if (outcome.rows < limit) return "clean";
    from = outcome.upTo;
    limit = tookMs > quickMs ? Math.max(firstAtOnce, limit / 2) : Math.min(mostAtOnce, limit * 2);
    await pause(rest * tookMs, signal);
  }
}
