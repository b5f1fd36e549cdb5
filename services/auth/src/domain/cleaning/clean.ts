import { type CleanedKind, type Cleaner, cleanedKinds } from "../ports/cleaner.ts";

export interface CleanDeps {
  readonly cleaner: Cleaner;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
  /** @throws the reason of the signal, if it is aborted first */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<unknown>;
  readonly onCleaned: (kind: CleanedKind, rows: number) => void;
}

/** Rows of the first batch. The number doubles while batches are fast, and halves after a slow one. */
const firstAtOnce = 100;
const mostAtOnce = 1_000;
/** Maximum time of a batch, in milliseconds: a call that needs one of its rows waits that long. */
const quickMs = 50;
/** Pause after each batch, as a multiple of the batch's time. */
const rest = 3;

/**
 * Deletes rows that are no longer needed, in batches with pauses, so that millions of such rows use at most a quarter of one
 * connection. If several replicas do so at the same time, all but one stop.
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
