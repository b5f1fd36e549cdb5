import { canonicalAddress } from "../../lib/ip-address.ts";
import { type Caller, demand } from "../caller/caller.ts";
import { decodePageToken, encodePageToken, pageOf } from "../page.ts";
import type { AuditEvent, AuditFilter, AuditPage, AuditStore } from "../ports/audit-store.ts";

export interface ListAuditEventsDeps {
  readonly audit: Pick<AuditStore, "scan">;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
}

export interface ListAuditEventsInput {
  readonly caller: Caller;
  readonly filter: AuditFilter;
  readonly order: AuditPage["order"];
  /** 0: 50. */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
  /** Maximum time for a page, in milliseconds. Afterwards the page has the events found until then. `Infinity`: no limit. */
  readonly timeoutMs: number;
}

/**
 * The spellings to search for: the canonical one and the given one, because events that an earlier version stored keep the
 * caller's spelling. Undefined if the text is not an address.
 */
export function spellingsOf(address: string): readonly string[] | undefined {
  const canonical = canonicalAddress(address);
  return canonical === undefined ? undefined : [...new Set([canonical, address])];
}

/**
 * Lists events of the audit. A page can have fewer events than requested, even none, although there are more: if few of many
 * rows match, the search continues from page to page.
 *
 * @throws {AuthError} `NOT_PERMITTED`, `INVALID_REQUEST` for an invalid page token
 */
export async function listAuditEvents(
  { audit, monotonicMs }: ListAuditEventsDeps,
  { caller, filter, order, pageSize, pageToken, timeoutMs }: ListAuditEventsInput,
): Promise<{ events: readonly AuditEvent[]; nextPageToken: string }> {
  demand(caller, "admin");
  const size = pageSize === 0 ? 50 : pageSize;
  const untilMs = monotonicMs() + timeoutMs;
  const events: AuditEvent[] = [];
  let beyond = decodePageToken(pageToken);
  for (;;) {
    // One row more than the page shows, so that a full last page is known to be the last.
    const slice = await audit.scan(filter, { order, beyond, limit: size + 1 - events.length });
    events.push(...slice.events);
    beyond = slice.reached;
    if (events.length > size || beyond === undefined) {
      const { items, nextPageToken } = pageOf(events, size);
      return { events: items, nextPageToken };
    }
    if (monotonicMs() >= untilMs) return { events, nextPageToken: encodePageToken(beyond) };
  }
}
