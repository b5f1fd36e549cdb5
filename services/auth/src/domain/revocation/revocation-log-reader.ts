import { clockAheadMs } from "../../../../client/src/core/revocation-set.ts";
import { createSharedRun } from "../../lib/shared-run.ts";
import { LateError, within } from "../../lib/within.ts";
import { AuthError } from "../errors.ts";
import type { Uuid } from "../ports/ids.ts";
import type { LogHead } from "../ports/revocation-log.ts";
import { type EntryCounts, type LogCopyDeps, openLogCopy, type RevocationView } from "./log-copy.ts";

/**
 * This replica's copy of the revocation log. Before it answers, it reads the log's head in Postgres and brings the copy
 * up to that head. The technique is Raft's read index (D. Ongaro, "Consensus: Bridging Theory and Practice", 2014,
 * section 6.4).
 */
export interface RevocationLogReader {
  /**
   * A view that includes everything that was revoked before the call: it is from a head read that began after the call
   * did. If the database is unavailable, the view may be from memory, at most `stalenessMs` old. Use a view
   * immediately and do not keep it.
   * @throws AuthError `UNAVAILABLE`
   */
  current(): Promise<RevocationView>;
  /**
   * As `current`, but never from memory.
   * @throws AuthError `UNAVAILABLE`
   */
  readNow(): Promise<RevocationView>;
  /** The last entry that this replica knows. */
  readonly head: LogHead;
  /** Milliseconds since the start of the last head read that was answered. */
  readonly ageMs: number;
}

export interface RevocationLogReaderDeps extends LogCopyDeps {
  /** Maximum age of a view from memory while the database is unavailable. */
  readonly stalenessMs: number;
  /** Milliseconds of an `ElapsedClock`: the data also ages while a virtual machine is suspended. */
  readonly elapsedMs: () => number;
  /** Receives the version of the keys from every head read. */
  readonly onKeys: (version: Uuid) => void;
  /** A head read has ended. */
  readonly onRead?: (read: HeadRead) => void;
}

/** One head read, for the metrics. */
export interface HeadRead extends EntryCounts {
  readonly isAnswered: boolean;
  readonly durationMs: number;
}

/** Maximum time that a call waits for a head read, including the one before it. */
const timeoutMs = 1_000;
/** Number of head reads between two deletions of expired entries. */
const forgetEvery = 10_000;

/** Loads the log. Afterwards it reads the head on demand only. */
export async function openRevocationLogReader(deps: RevocationLogReaderDeps): Promise<RevocationLogReader> {
  let readAtMs = deps.elapsedMs();
  let reads = 0;
  const copy = await openLogCopy(deps);

  async function read(): Promise<void> {
    const startedAtMs = deps.elapsedMs();
    const report = (isAnswered: boolean, counts: EntryCounts = { copied: 0, fetched: 0 }) =>
      deps.onRead?.({ isAnswered, durationMs: deps.elapsedMs() - startedAtMs, ...counts });
    try {
      const counts = await copy.catchUp();
      reads += 1;
      if (reads % forgetEvery === 0) copy.forget(copy.view.now.getTime() - clockAheadMs);
      readAtMs = startedAtMs;
      deps.onKeys(copy.view.keysVersion);
      report(true, counts);
    } catch (error) {
      report(false);
      throw error;
    }
  }
  // A call never joins a read that was already sent: that read may have seen the head before a revocation that the
  // caller knows of.
  const shareRead = createSharedRun(read, (reading) => within(timeoutMs, "answer", reading));

  async function readNow(): Promise<RevocationView> {
    try {
      await shareRead();
      return copy.view;
    } catch (error) {
      throw error instanceof LateError ? new AuthError("UNAVAILABLE", { cause: error }) : error;
    }
  }
  return {
    readNow,
    async current() {
      try {
        return await readNow();
      } catch (error) {
        const ageMs = deps.elapsedMs() - readAtMs;
        if (error instanceof AuthError && error.reason === "UNAVAILABLE" && ageMs < deps.stalenessMs) {
          return { ...copy.view, now: new Date(copy.view.now.getTime() + ageMs) };
        }
        throw error;
      }
    },
    get head() {
      return copy.view.head;
    },
    get ageMs() {
      return deps.elapsedMs() - readAtMs;
    },
  };
}
