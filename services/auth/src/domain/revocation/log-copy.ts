import { RevocationSet } from "../../../../client/src/core/revocation-set.ts";
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

export interface LogCopyDeps {
  readonly log: Pick<RevocationLog, "readAfter" | "readAll">;
  /** A copy of the log's tail in Redis. Absent: there is none. */
  readonly liveList?: Pick<LiveList, "after" | "offer"> | undefined;
  /** The log is shorter than before, or has another history: the database was restored. */
  readonly onRewind: (found: { known: LogHead; head: LogHead }) => void;
  /** Receives all entries before any call is answered from them. */
  readonly listener?: LogListener;
}

/** Where the new entries of a head read came from. */
export interface EntryCounts {
  /** Number of entries from the live list. */
  readonly copied: number;
  /** Number of entries from the log. */
  readonly fetched: number;
}

/** This replica's copy of the log, in memory. */
export interface LogCopy {
  readonly view: RevocationView;
  /** Reads the head and the entries that are new. */
  catchUp(): Promise<EntryCounts>;
  /** Drops entries whose tokens had all expired before a time. */
  forget(beforeMs: number): void;
}

/** Loads the whole log. */
export async function openLogCopy(deps: LogCopyDeps): Promise<LogCopy> {
  let view = await load();

  async function load() {
    const { head, asOf, now, keysVersion, everythingSeq, entries } = await deps.log.readAll();
    const revocations = new RevocationSet();
    revocations.add({ seq: everythingSeq, target: { kind: "everything" }, forgetAfterMs: 0 });
    for (const entry of entries) revocations.add(entry);
    deps.listener?.replace({ head, asOf, keysVersion, entries });
    return { revocations, head, now, keysVersion };
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
    view = await load();
    return { copied: 0, fetched: view.revocations.size };
  }

  return {
    get view() {
      return view;
    },
    /**
     * It uses entries of the live list only if they form an unbroken chain from the known entry to the head in Postgres.
     * Each entry names its predecessor by an ID that an attacker cannot predict, so such entries are the log's.
     */
    async catchUp() {
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
    },
    forget(beforeMs) {
      view.revocations.forget(beforeMs);
      deps.listener?.forget(beforeMs);
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
