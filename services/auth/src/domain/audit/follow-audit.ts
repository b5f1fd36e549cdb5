import { type Caller, demand } from "../caller/caller.ts";
import { PosternError } from "../errors.ts";
import type { AuditEvent, AuditFilter, AuditStore } from "../ports/audit-store.ts";
import type { Uuid } from "../ports/ids.ts";

export interface FollowAuditDeps {
  readonly audit: Pick<AuditStore, "scan" | "readTime">;
  /** Waits before the next look, or until the signal. */
  readonly pause: (signal: AbortSignal) => Promise<unknown>;
  /** Told that the database could not be asked; it is asked again. */
  readonly onUnavailable: (error: PosternError) => void;
}

export interface FollowAuditInput {
  readonly caller: Caller;
  /** Without `since`: what comes from now on. */
  readonly filter: Omit<AuditFilter, "until">;
  readonly signal: AbortSignal;
}

type Scan = Pick<AuditStore, "scan">;

/**
 * A row may be seen so much later than its id says, which was made before its transaction ended. None of ours takes
 * half as long.
 */
const lateByMs = 60_000;
const rowsAtOnce = 1_000;

/**
 * Gives every event once, as it comes, the oldest first of those that come together; ends with the signal.
 *
 * @throws {PosternError} `NOT_PERMITTED`; `UNAVAILABLE` where the database cannot be asked at the beginning
 */
export async function* followAudit(
  { audit, pause, onUnavailable }: FollowAuditDeps,
  { caller, filter, signal }: FollowAuditInput,
): AsyncGenerator<AuditEvent> {
  demand(caller, "admin");
  /** Every row that is going to be met again, and when it was noted. */
  const seen = new Map<Uuid, Date>();
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
      // Also where the database's clock was put back.
      since = lateFrom(now);
      for (const [id, at] of seen) if (at < since) seen.delete(id);
    } catch (error) {
      if (!(error instanceof PosternError && error.reason === "UNAVAILABLE")) throw error;
      onUnavailable(error);
    }
    await pause(signal);
  }
}

/** What was noted from then on may be seen only now. */
function lateFrom(now: Date): Date {
  return new Date(now.getTime() - lateByMs);
}

/** What there is at the moment, to its end. */
async function* readFrom(audit: Scan, filter: AuditFilter): AsyncGenerator<AuditEvent> {
  let beyond: Uuid | undefined;
  do {
    const slice = await audit.scan(filter, { order: "oldest first", beyond, limit: rowsAtOnce });
    yield* slice.events;
    beyond = slice.reached;
  } while (beyond !== undefined);
}
