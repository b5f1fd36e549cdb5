import type { AuditEventId, KeyId, SessionId, UserId } from "./ids.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** One row of the audit. Fields that its event does not have are undefined. */
export interface AuditEvent {
  /** Increases with time. Rows are read in the order of their IDs. */
  readonly id: AuditEventId;
  /** The database's time, a moment before the row could be seen. */
  readonly at: Date;
  /** One of the names in `domain/audit/audit-events.ts`. Later versions can add names. */
  readonly event: string;
  /** The caller: a service, `cli`, `bootstrap`, `postern`, or the ID of an administrator. */
  readonly caller: string;
  /** The ID of the call; empty if there was none. */
  readonly requestId: string;
  readonly userId: UserId | undefined;
  readonly sessionId: SessionId | undefined;
  readonly clientId: string | undefined;
  /** The user's IP address, as a trusted caller reported it. */
  readonly clientAddress: string | undefined;
  readonly keyId: KeyId | undefined;
  /** More facts about the event. */
  readonly detail: Readonly<Record<string, Json>>;
}

/** What an event must match. Undefined fields do not filter. */
export interface AuditFilter {
  /** Names of events; empty: all. */
  readonly events?: readonly string[] | undefined;
  readonly userId?: UserId | undefined;
  readonly sessionId?: SessionId | undefined;
  /** The value in the detail for an unknown name. */
  readonly account?: string | undefined;
  readonly clientId?: string | undefined;
  readonly caller?: string | undefined;
  /** Matches any of these. */
  readonly clientAddresses?: readonly string[] | undefined;
  readonly keyId?: KeyId | undefined;
  /** The start of the time span. */
  readonly since?: Date | undefined;
  /** The end of the time span, exclusive. */
  readonly until?: Date | undefined;
}

export interface AuditPage {
  readonly order: "newest first" | "oldest first";
  /** Only rows after this one, in the given order. */
  readonly beyond: AuditEventId | undefined;
  readonly limit: number;
}

/** The matching rows of a part of the table. */
export interface AuditSlice {
  readonly events: readonly AuditEvent[];
  /** The last row that was searched; undefined if the end was reached. */
  readonly reached: AuditEventId | undefined;
}

/** A record without a change, such as a failed login. */
export interface AuditRecord {
  readonly event: string;
  readonly caller: string;
  readonly requestId: string;
  readonly userId: UserId | undefined;
  readonly clientId: string | undefined;
  readonly clientAddress: string | undefined;
  readonly detail: Readonly<Record<string, Json>>;
}

/** The audit. Each method throws AuthError `UNAVAILABLE` if the store is down. */
export interface AuditStore {
  /** Records all of them or none. */
  record(records: readonly AuditRecord[]): Promise<void>;
  /** Searches a bounded number of rows and returns those that match. */
  scan(filter: AuditFilter, page: AuditPage): Promise<AuditSlice>;
  /** The database's time. */
  readTime(): Promise<Date>;
  /**
   * Deletes the oldest rows that are older than `keptForMs` and than 30 days.
   * @param limit at most 1000
   * @returns the number of deleted rows; `busy` if another replica is deleting
   */
  purge(keptForMs: number, limit: number): Promise<number | "busy">;
}
