import type { LiveList } from "../ports/live-list.ts";
import type { LogEntry, RevocationNotifier } from "../ports/revocation-log.ts";
import { createRevocationBroadcaster, type Watcher } from "./revocation-broadcaster.ts";
import {
  openRevocationLogReader,
  type RevocationLogReader,
  type RevocationLogReaderDeps,
} from "./revocation-log-reader.ts";

/**
 * The revocation log in this replica's memory. Disposing of it ends the head reads in the background; the watchers end
 * by their own signals.
 */
export interface Revocations extends RevocationLogReader, RevocationNotifier, Disposable {
  /** Number of watchers. */
  readonly watchers: number;
  /** Adds a watcher. While there is one, the head is read again and again. */
  watch(): Watcher;
}

export interface RevocationsDeps extends Omit<RevocationLogReaderDeps, "listener" | "liveList"> {
  /** Absent: there is no Redis. */
  readonly liveList?: LiveList | undefined;
  /** An entry as watchers send it. */
  readonly encode: (entry: LogEntry) => Uint8Array;
  readonly pause: (ms: number) => Promise<unknown>;
}

/** Maximum age of what an idle replica knows, apart from the time that the next head read takes. */
const idleReadMs = 1_000;
/**
 * Pause between two head reads while there are watchers. It bounds how late a watcher sees a revocation by another
 * replica, with Redis or without. Postgres runs up to 50 statements of 0.05 ms a second for it.
 */
const watchReadMs = 20;
/** Pause after a head read that failed. */
const retryDelayMs = 1_000;

/**
 * Loads the revocation log and keeps it up to date. A call reads the head when it needs it. In the background, the head
 * is read when the replica is idle, while there are watchers, after new entries in the live list, and after revocations
 * by this replica.
 * @throws AuthError `UNAVAILABLE`
 */
export async function openRevocations(deps: RevocationsDeps): Promise<Revocations> {
  const { liveList, pause } = deps;
  const broadcaster = createRevocationBroadcaster(deps.encode);
  const reader = await openRevocationLogReader({ ...deps, listener: broadcaster });
  let isClosed = false;
  let isReadingForWatchers = false;

  /** The next head read reports a fault again to the calls that need an answer. */
  function readInBackground(): void {
    void reader.readNow().catch(() => {});
  }

  async function readWhileIdle(): Promise<void> {
    for (;;) {
      await pause(idleReadMs);
      if (isClosed) return;
      if (reader.ageMs >= idleReadMs) readInBackground();
    }
  }

  async function readForWatchers(): Promise<void> {
    if (isReadingForWatchers) return;
    isReadingForWatchers = true;
    while (broadcaster.watchers > 0 && !isClosed) {
      const isAnswered = await reader.readNow().then(
        () => true,
        () => false,
      );
      await pause(isAnswered ? watchReadMs : retryDelayMs);
    }
    isReadingForWatchers = false;
  }

  void readWhileIdle();
  // Entries that arrived while the log was being loaded wait for the next read.
  const subscription = liveList?.subscribe(readInBackground);
  return {
    current: reader.current,
    readNow: reader.readNow,
    get head() {
      return reader.head;
    },
    get ageMs() {
      return reader.ageMs;
    },
    get watchers() {
      return broadcaster.watchers;
    },
    watch() {
      const watcher = broadcaster.join();
      void readForWatchers();
      return watcher;
    },
    notice() {
      // Other replicas hear of the entry through the live list, which gets it from the first replica that reads it.
      if (!isClosed && (liveList !== undefined || broadcaster.watchers > 0)) readInBackground();
    },
    [Symbol.dispose]() {
      isClosed = true;
      subscription?.[Symbol.dispose]();
    },
  };
}
