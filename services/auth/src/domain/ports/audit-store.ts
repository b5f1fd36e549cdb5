import type { Uuid } from "./ids.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** One row of the audit. What does not belong to its event is undefined. */
export interface AuditEvent {
  /** Grows with time: rows are read in the order of their ids. */
  readonly id: Uuid;
  /** The database's time, a moment before the row could be seen. */
  readonly at: Date;
  /** Its name, of those in `domain/audit/audit-events.ts`; a later version may know more. */
  readonly event: string;
  /** Who did it: a service, `cli`, `bootstrap`, `postern` itself, or the id of an administrator. */
  readonly caller: string;
  /** Of the call that did it; empty where none did. */
  readonly requestId: string;
  readonly userId: Uuid | undefined;
  readonly sessionId: Uuid | undefined;
  readonly clientId: string | undefined;
  /** Where the user came from, as a trusted caller said. */
  readonly clientAddress: string | undefined;
  readonly keyId: Uuid | undefined;
  /** What else there is to say. */
  readonly detail: Readonly<Record<string, Json>>;
}

/** What every event has that is asked for; undefined: whatever it is. */
export interface AuditFilter {
  /** Names of events; none: all of them. */
  readonly events?: readonly string[] | undefined;
  readonly userId?: Uuid | undefined;
  readonly sessionId?: Uuid | undefined;
  /** What stands in the detail for a name that nobody has. */
  readonly account?: string | undefined;
  readonly clientId?: string | undefined;
  readonly caller?: string | undefined;
  /** Matches any of these. */
  readonly clientAddresses?: readonly string[] | undefined;
  readonly keyId?: Uuid | undefined;
  /** From then on. */
  readonly since?: Date | undefined;
  /** Before then. */
  readonly until?: Date | undefined;
}

export interface AuditPage {
  readonly order: "newest first" | "oldest first";
  /** Only rows beyond this one. */
  readonly beyond: Uuid | undefined;
  readonly limit: number;
}

/** What a part of the table held. */
export interface AuditSlice {
  readonly events: readonly AuditEvent[];
  /** The row up to which it was looked for them; undefined where the end was reached. */
  readonly reached: Uuid | undefined;
}

/** A note of its own, that stands for no change of anything. */
export interface AuditNote {
  readonly event: string;
  readonly caller: string;
  readonly requestId: string;
  readonly userId: Uuid | undefined;
  readonly clientId: string | undefined;
  readonly clientAddress: string | undefined;
  readonly detail: Readonly<Record<string, Json>>;
}

/** The audit. Each method throws PosternError `UNAVAILABLE` when the store is down. */
export interface AuditStore {
  /** All of them or none. */
  note(notes: readonly AuditNote[]): Promise<void>;
  /** Looks at a bounded number of rows, however many there are, and answers with those that fit. */
  scan(filter: AuditFilter, page: AuditPage): Promise<AuditSlice>;
  /** The database's time. */
  readTime(): Promise<Date>;
  /**
   * Deletes the oldest rows of those that are older than `keptForMs` and than 30 days.
   * @param limit 1000 at the most
   * @returns how many; `busy` where another replica is at it
   */
  purge(keptForMs: number, limit: number): Promise<number | "busy">;
}
