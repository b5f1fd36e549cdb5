import type { AuditStore } from "../ports/audit-store.ts";

export interface PurgeAuditDeps {
  readonly audit: Pick<AuditStore, "purge">;
  /** How long events are kept, in milliseconds. */
  readonly retentionMs: number;
  /** Throws where the signal comes first. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const rowsAtOnce = 1_000;
/** Some ten times what a batch takes. */
const pauseMs = 200;

/** Deletes events that are older than the retention, batch by batch; of replicas that meet all but one give up. */
export async function purgeAudit(deps: PurgeAuditDeps, signal: AbortSignal): Promise<void> {
  while ((await deps.audit.purge(deps.retentionMs, rowsAtOnce)) === rowsAtOnce) {
    await deps.pause(pauseMs, signal);
  }
}
