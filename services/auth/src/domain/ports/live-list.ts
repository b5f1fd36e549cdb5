import type { LogEntry, LogHead } from "./revocation-log.ts";

/** A copy of the revocation log's tail that replicas share. Never evidence: see the read index for what it may do. */
export interface LiveList {
  /** The entries that follow `head` one by one, as far as they are here. */
  after(head: LogHead): readonly LogEntry[];
  /** Shows the others what was read from the log. Neither waits nor fails. */
  offer(entries: readonly LogEntry[]): void;
}
