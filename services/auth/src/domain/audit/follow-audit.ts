import { type Caller, demand } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { AuditEvent, AuditFilter, AuditStore } from "../ports/audit-store.ts";
import type { AuditEventId } from "../ports/ids.ts";

export interface FollowAuditDeps {
  readonly audit: Pick<AuditStore, "scan" | "readTime">;
  /** Waits before the next read, or until the signal. */
  readonly pause: (signal: AbortSignal) => Promise<unknown>;
  /** Called when a read failed. It is retried. */
  readonly onUnavailable: (error: AuthError) => void;
}

export interface FollowAuditInput {
  readonly caller: Caller;
  /** Without `since`: events from now on. */
  readonly filter: Omit<AuditFilter, "until">;
  readonly signal: AbortSignal;
}

type Scan = Pick<AuditStore, "scan">;

/**
 * Maximum delay between the time in a row's ID and the moment at which the row can be read. The ID is made before its
 * transaction ends. No transaction of Postern takes half as long.
 */
const lateByMs = 60_000;
const rowsAtOnce = 1_000;

/**
 * Yields every event once, as it arrives, the oldest first. Ends at the signal.
 *
 * @throws {AuthError} `NOT_PERMITTED`; `UNAVAILABLE` if the first read fails
 */
export async function* followAudit(
  { audit, pause, onUnavailable }: FollowAuditDeps,
  { caller, filter, signal }: FollowAuditInput,
): AsyncGenerator<AuditEvent> {
  demand(caller, "admin");
  /** Every row that the next reads will return again, and its time. */
  const seen = new Map<AuditEventId, Date>();
  let since = filter.since;
  if (since === undefined) {
    since = lateFrom(await audit.readTime());
    for await (const { id, at } of readFrom(audit, { ...filter, since })) seen.set(id, at);
  }
  while (!signal.aborted) {
    try {
      const now = await audit.readTime();
      for await (const event of readFrom(audit, { ...filter, since })) {
        if (seen.has(event.id)) continue;
        if (event.at >= lateFrom(now)) seen.set(event.id, event.at);
        yield event;
        if (signal.aborted) return;
      }
      // Also if the database's clock was set back.
      since = lateFrom(now);
      for (const [id, at] of seen) if (at < since) seen.delete(id);
    } catch (error) {
      if (!(error instanceof AuthError && error.reason === "UNAVAILABLE")) throw error;
      onUnavailable(error);
    }
    await pause(signal);
  }
}

/** Rows from this time on may be visible only now. */
function lateFrom(now: Date): Date {
  return new Date(now.getTime() - lateByMs);
}

/** Reads all rows that there are now. */
async function* readFrom(audit: Scan, filter: AuditFilter): AsyncGenerator<AuditEvent> {
  let beyond: AuditEventId | undefined;
  do {
    const slice = await audit.scan(filter, { order: "oldest first", beyond, limit: rowsAtOnce });
    yield* slice.events;
    beyond = slice.reached;
  } while (beyond !== undefined);
}
