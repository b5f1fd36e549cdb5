import { clockAheadMs, RevocationSet } from "@postern/client/core/revocation-set.ts";
import { createSharedRun } from "../../lib/shared-run.ts";
import { LateError, within } from "../../lib/within.ts";
import { PosternError } from "../errors.ts";
import type { Uuid } from "../ports/ids.ts";
import type { LiveList } from "../ports/live-list.ts";
import type { LogEntry, LogHead, LogRead, RevocationLog } from "../ports/revocation-log.ts";
import type { LogFollower } from "./revocation-feed.ts";

/** What was revoked, as of one read of the log's head. */
export interface RevocationView {
  readonly revocations: Pick<RevocationSet, "hits">;
  readonly head: LogHead;
  /** The database's time during that read. */
  readonly now: Date;
  /** Which keys there were then (`KeyList.version`). */
  readonly keysVersion: Uuid;
}

/** This replica's copy of the revocation log. */
export interface ReadIndex {
  /**
   * A view from a read of the head that began after this call did: whatever was revoked before the call is
   * in it. Use it before the next `await`.
   * @throws PosternError `UNAVAILABLE`
   */
  fresh(): Promise<RevocationView>;
  /** The same, but never from memory: with the database lost there is none, however stale a view may be. */
  readHead(): Promise<RevocationView>;
  /** The last entry that this replica knows. */
  readonly head: LogHead;
  /** Milliseconds since the last answered read of the head began. */
  readonly ageMs: number;
}

export interface ReadIndexDeps {
  readonly log: Pick<RevocationLog, "readAfter" | "readAll">;
  /** A copy of the log's tail that may be nearer; absent: there is none. */
  readonly liveList?: LiveList | undefined;
  /** With the database lost, a view may be so old. */
  readonly stalenessMs: number;
  /** Milliseconds of an `ElapsedClock`: the data also ages while a virtual machine is suspended. */
  readonly elapsedMs: () => number;
  /** The log was found shorter than it was, or with another history: the database was put back. */
  readonly onRewind: (found: { known: LogHead; head: LogHead }) => void;
  /** Told by every read of the head which keys there are. */
  readonly onKeys: (version: Uuid) => void;
  /** Told of all entries, before any call is answered from them. */
  readonly follower?: LogFollower;
  /** A read of the head has ended; `copied` entries came from the live list, `fetched` ones from the log. */
  readonly onRead?: (read: HeadRead) => void;
}

/** One read of the head, for the metrics. */
export interface HeadRead {
  readonly isAnswered: boolean;
  readonly durationMs: number;
  readonly copied: number;
  readonly fetched: number;
}

/** A call waits so long for a head read, the one before it included. */
const patienceMs = 1_000;
/** Entries that can hit nothing any more are dropped after so many head reads. */
const forgetEvery = 10_000;

/** Loads the log and keeps up with it by reading its head whenever somebody asks. */
export async function openReadIndex(deps: ReadIndexDeps): Promise<ReadIndex> {
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
    deps.follower?.restart({ head, asOf, keysVersion, entries });
    readAtMs = startedAtMs;
  }

  /**
   * Reads the head, and what is new. Entries of the live list are taken where they link up, from the known entry to
   * the head as Postgres has it: each names its predecessor by an id that nobody can foretell, so they are the log's.
   */
  async function catchUp(): Promise<{ copied: number; fetched: number }> {
    const known = view.head;
    const copied = deps.liveList?.after(known) ?? [];
    const nearest = headOf(copied) ?? known;
    const found = await deps.log.readAfter(nearest);
    const step = follow(nearest, found);
    if (step === "same" || step === "next") return take(copied, found);
    if (copied.length === 0) return start(step, known, found);
    // Of another history, or ahead of this one: what is known is known from Postgres.
    const foundAgain = await deps.log.readAfter(known);
    const stepAgain = follow(known, foundAgain);
    return stepAgain === "same" || stepAgain === "next"
      ? take([], foundAgain)
      : start(stepAgain, known, foundAgain);
  }

  function take(copied: readonly LogEntry[], { head, asOf, now, keysVersion, entries = [] }: LogRead) {
    const all = [...copied, ...entries];
    for (const entry of all) view.revocations.add(entry);
    if (entries.length > 0) deps.liveList?.offer(entries);
    view = { revocations: view.revocations, head, now, keysVersion };
    deps.follower?.append({ head, asOf, keysVersion, entries: all });
    return { copied: copied.length, fetched: entries.length };
  }

  async function start(step: "gap" | "rewound", known: LogHead, { head }: LogRead) {
    if (step === "rewound") deps.onRewind({ known, head });
    await load();
    return { copied: 0, fetched: view.revocations.size };
  }

  async function read(): Promise<void> {
    const startedAtMs = deps.elapsedMs();
    const told = (isAnswered: boolean, counts = { copied: 0, fetched: 0 }) =>
      deps.onRead?.({ isAnswered, durationMs: deps.elapsedMs() - startedAtMs, ...counts });
    try {
      const counts = await catchUp();
      reads += 1;
      if (reads % forgetEvery === 0) {
        const beforeMs = view.now.getTime() - clockAheadMs;
        view.revocations.forget(beforeMs);
        deps.follower?.forget(beforeMs);
      }
      readAtMs = startedAtMs;
      deps.onKeys(view.keysVersion);
      told(true, counts);
    } catch (error) {
      told(false);
      throw error;
    }
  }

  await load();
  // A call may share a read that has not been sent yet, never one in flight: that one may have seen the head before
  // the revocation that the caller knows to be answered.
  const shareRead = createSharedRun(read, (reading) => within(patienceMs, "answer", reading));
  async function readHead(): Promise<RevocationView> {
    try {
      await shareRead();
      return view;
    } catch (error) {
      throw error instanceof LateError ? new PosternError("UNAVAILABLE", { cause: error }) : error;
    }
  }
  return {
    readHead,
    async fresh() {
      try {
        return await readHead();
      } catch (error) {
        const ageMs = deps.elapsedMs() - readAtMs;
        if (error instanceof PosternError && error.reason === "UNAVAILABLE" && ageMs < deps.stalenessMs) {
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

/** How what was read follows what was known. */
function follow(known: LogHead, { head, entries }: LogRead): "same" | "next" | "gap" | "rewound" {
  if (entries === undefined) {
    return head.seq === known.seq && head.tail === known.tail ? "same" : "rewound";
  }
  const [first] = entries;
  if (first?.seq === known.seq + 1 && first.previousId !== known.tail) return "rewound";
  // Old entries may have been cleaned away since: then the rest does not link up, and that is no fault.
  return linked(known, entries, head) ? "next" : "gap";
}

function linked(known: LogHead, entries: readonly LogEntry[], head: LogHead): boolean {
  let { seq, tail } = known;
  for (const entry of entries) {
    if (entry.seq !== seq + 1 || entry.previousId !== tail) return false;
    seq = entry.seq;
    tail = entry.id;
  }
  return seq === head.seq && tail === head.tail;
}
