import type { LogEntry, LogHead } from "./revocation-log.ts";

/**
 * A copy of the revocation log's tail that replicas share. It is never evidence: `RevocationLogReader` uses an entry only
 * if it links up with the head in Postgres.
 */
export interface LiveList {
  /** The entries that follow `head`, without a gap. */
  after(head: LogHead): readonly LogEntry[];
  /** Shares entries that were read from the log with the other replicas. Neither waits nor fails. */
  offer(entries: readonly LogEntry[]): void;
  /**
   * Calls the listener when entries of other replicas have arrived.
   * @returns ends the subscription when it is disposed of
   */
  subscribe(listener: () => void): Disposable;
}
