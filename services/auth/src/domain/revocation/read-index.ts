import { RevocationSet } from "@postern/client/core/revocation-set.ts";
import { PosternError } from "../errors.ts";
import type { LogEntry, LogHead, LogRead, RevocationLog } from "../ports/revocation-log.ts";

/** What was revoked, as of one read of the log's head. */
export interface RevocationView {
  readonly revocations: Pick<RevocationSet, "hits">;
  readonly head: LogHead;
  /** The database's time of that read. */
  readonly now: Date;
}

/** This replica's copy of the revocation log. */
export interface ReadIndex {
  /**
   * A view from a read of the head that began after this call did: whatever was revoked before the call is
   * in it. Use it before the next `await`.
   * @throws PosternError `UNAVAILABLE`
   */
  fresh(): Promise<RevocationView>;
}

export interface ReadIndexDeps {
  readonly log: Pick<RevocationLog, "readAfter" | "readAll">;
  /** With the database lost, a view may be so old. */
  readonly stalenessMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
  /** The log was found shorter than it was, or with another history: the database was put back. */
  readonly onRewind: (found: { known: LogHead; head: LogHead }) => void;
}

/** Entries that can hit nothing any more are dropped after so many head reads. */
const forgetEvery = 10_000;

/** Loads the log and keeps up with it by reading its head whenever somebody asks. */
export async function openReadIndex(deps: ReadIndexDeps): Promise<ReadIndex> {
  let view: RevocationView & { readonly revocations: RevocationSet };
  let readAtMs = 0;
  let reads = 0;
  let inFlight: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;

  async function load(): Promise<void> {
    const startedAtMs = deps.monotonicMs();
    const { head, now, entries } = await deps.log.readAll();
    const revocations = new RevocationSet();
    for (const entry of entries) revocations.add(entry);
    view = { revocations, head, now };
    readAtMs = startedAtMs;
  }

  async function read(): Promise<void> {
    const startedAtMs = deps.monotonicMs();
    const { known, found } = { known: view.head, found: await deps.log.readAfter(view.head) };
    const step = follow(known, found);
    if (step === "rewound") deps.onRewind({ known, head: found.head });
    if (step === "rewound" || step === "gap") return load();
    for (const entry of found.entries ?? []) view.revocations.add(entry);
    reads += 1;
    if (reads % forgetEvery === 0) view.revocations.forget(found.now.getTime());
    view = { revocations: view.revocations, head: found.head, now: found.now };
    readAtMs = startedAtMs;
  }

  await load();
  return {
    async fresh() {
      // A call may share a read that has not been sent yet, never one in flight: that one may have seen the
      // head before the revocation that the caller knows to be answered.
      next ??= inFlight.then(() => {
        const reading = read();
        next = undefined;
        inFlight = reading.catch(() => {});
        return reading;
      });
      try {
        await next;
        return view;
      } catch (error) {
        const ageMs = deps.monotonicMs() - readAtMs;
        if (error instanceof PosternError && error.reason === "UNAVAILABLE" && ageMs < deps.stalenessMs) {
          return { ...view, now: new Date(view.now.getTime() + ageMs) };
        }
        throw error;
      }
    },
  };
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
