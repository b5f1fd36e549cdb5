import type { AuditStore } from "../ports/audit-store.ts";

export interface PurgeAuditDeps {
  readonly audit: Pick<AuditStore, "purge">;
  /** How long events are kept, in milliseconds. */
  readonly retentionMs: number;
  /** @throws the reason of the signal, if it is aborted first */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const rowsAtOnce = 1_000;
/** About ten times the time of a batch. */
const pauseMs = 200;

/** Deletes events that are older than the retention, in batches. If several replicas do so at the same time, all but one stop. */
export async function purgeAudit(deps: PurgeAuditDeps, signal: AbortSignal): Promise<void> {
  while ((await deps.audit.purge(deps.retentionMs, rowsAtOnce)) === rowsAtOnce) {
    await deps.pause(pauseMs, signal);
  }
}
