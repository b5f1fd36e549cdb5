import { clockAheadMs, RevocationSet } from "../../../../client/src/core/revocation-set.ts";
import { createSharedRun } from "../../lib/shared-run.ts";
import { LateError, within } from "../../lib/within.ts";
import { AuthError } from "../errors.ts";
import type { Uuid } from "../ports/ids.ts";
import type { LiveList } from "../ports/live-list.ts";
import type { LogEntry, LogHead, LogRead, RevocationLog } from "../ports/revocation-log.ts";
import type { LogListener } from "./revocation-broadcaster.ts";

/** What was revoked, as of one read of the log's head. */
export interface RevocationView {
  readonly revocations: Pick<RevocationSet, "revokes">;
  readonly head: LogHead;
  /** The database's time during that read. */
  readonly now: Date;
  /** The version of the keys during that read (`KeyList.version`). */
  readonly keysVersion: Uuid;
}

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

export interface RevocationLogReaderDeps {
  readonly log: Pick<RevocationLog, "readAfter" | "readAll">;
  /** A copy of the log's tail in Redis. Absent: there is none. */
  readonly liveList?: Pick<LiveList, "after" | "offer"> | undefined;
  /** Maximum age of a view from memory while the database is unavailable. */
  readonly stalenessMs: number;
  /** Milliseconds of an `ElapsedClock`: the data also ages while a virtual machine is suspended. */
  readonly elapsedMs: () => number;
  /** The log is shorter than before, or has another history: the database was restored. */
  readonly onRewind: (found: { known: LogHead; head: LogHead }) => void;
  /** Receives the version of the keys from every head read. */
  readonly onKeys: (version: Uuid) => void;
  /** Receives all entries before any call is answered from them. */
  readonly listener?: LogListener;
  /** A head read has ended. */
  readonly onRead?: (read: HeadRead) => void;
}

/** One head read, for the metrics. */
export interface HeadRead {
  readonly isAnswered: boolean;
  readonly durationMs: number;
  /** Number of entries from the live list. */
  readonly copied: number;
  /** Number of entries from the log. */
  readonly fetched: number;
}

/** Maximum time that a call waits for a head read, including the one before it. */
const timeoutMs = 1_000;
/** Number of head reads between two deletions of expired entries. */
const forgetEvery = 10_000;

/** Loads the log. Afterwards it reads the head on demand only. */
export async function openRevocationLogReader(deps: RevocationLogReaderDeps): Promise<RevocationLogReader> {
  let view: RevocationView & { readonly revocations: RevocationSet };
  let readAtMs = 0;
  let reads = 0;

  async function load(): Promise<void> {
    const startedAtMs = deps.elapsedMs();
    const { head, asOf, now, keysVersion, everythingSeq, entries } = await deps.log.readAll();
    const revocations = new RevocationSet();
    revocations.add({ seq: everythingSeq, target: { kind: "everything" }, forgetAfterMs: 0 });
    for (const entry of entries) revocations.add(entry);
    view = { revocations, head, now, keysVersion };
    deps.listener?.replace({ head, asOf, keysVersion, entries });
    readAtMs = startedAtMs;
  }

  /**
   * Reads the head and the entries that are new. It uses entries of the live list only if they form an unbroken chain
   * from the known entry to the head in Postgres. Each entry names its predecessor by an id that an attacker cannot
   * predict, so such entries are the log's.
   */
  async function catchUp(): Promise<{ copied: number; fetched: number }> {
    const known = view.head;
    const copied = deps.liveList?.after(known) ?? [];
    const nearest = headOf(copied) ?? known;
    const found = await deps.log.readAfter(nearest);
    const step = compare(nearest, found);
    if (step === "same" || step === "next") return take(copied, found);
    if (copied.length === 0) return reload(step, known, found);
    // The entries of the live list are from another history, or ahead of the head. The known entry is from Postgres.
    const foundAgain = await deps.log.readAfter(known);
    const stepAgain = compare(known, foundAgain);
    return stepAgain === "same" || stepAgain === "next"
      ? take([], foundAgain)
      : reload(stepAgain, known, foundAgain);
  }

  function take(copied: readonly LogEntry[], { head, asOf, now, keysVersion, entries = [] }: LogRead) {
    const all = [...copied, ...entries];
    for (const entry of all) view.revocations.add(entry);
    if (entries.length > 0) deps.liveList?.offer(entries);
    view = { revocations: view.revocations, head, now, keysVersion };
    deps.listener?.append({ head, asOf, keysVersion, entries: all });
    return { copied: copied.length, fetched: entries.length };
  }

  async function reload(step: "gap" | "rewound", known: LogHead, { head }: LogRead) {
    if (step === "rewound") deps.onRewind({ known, head });
    await load();
    return { copied: 0, fetched: view.revocations.size };
  }

  async function read(): Promise<void> {
    const startedAtMs = deps.elapsedMs();
    const report = (isAnswered: boolean, counts = { copied: 0, fetched: 0 }) =>
      deps.onRead?.({ isAnswered, durationMs: deps.elapsedMs() - startedAtMs, ...counts });
    try {
      const counts = await catchUp();
      reads += 1;
      if (reads % forgetEvery === 0) {
        const beforeMs = view.now.getTime() - clockAheadMs;
        view.revocations.forget(beforeMs);
        deps.listener?.forget(beforeMs);
      }
      readAtMs = startedAtMs;
      deps.onKeys(view.keysVersion);
      report(true, counts);
    } catch (error) {
      report(false);
      throw error;
    }
  }

  await load();
  // A call never joins a read that was already sent: that read may have seen the head before a revocation that the
  // caller knows of.
  const shareRead = createSharedRun(read, (reading) => within(timeoutMs, "answer", reading));
  async function readNow(): Promise<RevocationView> {
    try {
      await shareRead();
      return view;
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
          return { ...view, now: new Date(view.now.getTime() + ageMs) };
        }
        throw error;
      }
    },
    get head() {
      return view.head;
    },
    get ageMs() {
      return deps.elapsedMs() - readAtMs;
    },
  };
}

function headOf(entries: readonly LogEntry[]): LogHead | undefined {
  const last = entries.at(-1);
  return last === undefined ? undefined : { seq: last.seq, tail: last.id };
}

/** How the result of a read continues what was known. */
function compare(known: LogHead, { head, entries }: LogRead): "same" | "next" | "gap" | "rewound" {
  if (entries === undefined) {
    return head.seq === known.seq && head.tail === known.tail ? "same" : "rewound";
  }
  const [first] = entries;
  if (first?.seq === known.seq + 1 && first.previousId !== known.tail) return "rewound";
  // A gap is no fault: old entries may have been deleted since.
  return isChain(known, entries, head) ? "next" : "gap";
}

/** Whether the entries lead from `known` to `head`, each naming its predecessor. */
function isChain(known: LogHead, entries: readonly LogEntry[], head: LogHead): boolean {
  let { seq, tail } = known;
  for (const entry of entries) {
    if (entry.seq !== seq + 1 || entry.previousId !== tail) return false;
    seq = entry.seq;
    tail = entry.id;
  }
  return seq === head.seq && tail === head.tail;
}
