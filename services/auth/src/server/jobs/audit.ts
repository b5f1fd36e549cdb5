import { setTimeout as wait } from "node:timers/promises";
import type { FailedLogins } from "../../domain/audit/failed-logins.ts";
import { purgeAudit } from "../../domain/audit/purge-audit.ts";
import type { AuditStore } from "../../domain/ports/audit-store.ts";
import type { Job } from "./job.ts";

/** The background jobs of the audit. */
export function auditJobs(
  audit: Pick<AuditStore, "purge">,
  retentionMs: number,
  failedLogins: Pick<FailedLogins, "flush">,
): readonly Job[] {
  const pause = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal });
  return [
    { name: "note_refused_logins", everyMs: 5_000, run: () => failedLogins.flush() },
    {
      name: "purge_audit",
      everyMs: 10 * 60_000,
      run: (signal) => purgeAudit({ audit, retentionMs, pause }, signal),
    },
  ];
}
