import type { Uuid } from "../ports/ids.ts";
import type { LogEntry, LogHead } from "../ports/revocation-log.ts";
import { EntryRing } from "./entry-ring.ts";

/** What a read of the log's head has brought. */
export interface FollowedRead {
  readonly head: LogHead;
  /** The database's time when the read began. */
  readonly asOf: Date;
  /** Which keys there were then (`KeyList.version`). */
  readonly keysVersion: Uuid;
  readonly entries: readonly LogEntry[];
}

/** Told of every read of the head, in order. */
export interface LogFollower {
  /** All living entries: what was told before need not go on in them. */
  restart(read: FollowedRead): void;
  /** What followed. */
  append(read: FollowedRead): void;
  forget(nowMs: number): void;
}

export interface RevocationFeedDeps {
  readonly encode: (entry: LogEntry) => Uint8Array;
  /** Reads the head, and tells of it; rejects where there is no answer. */
  readonly read: () => Promise<unknown>;
  readonly pause: (ms: number) => Promise<unknown>;
}

/** The log as all watchers of a replica share it. */
export interface RevocationFeed extends LogFollower, Disposable {
  readonly ring: Pick<EntryRing, "start" | "end" | "find" | "read">;
  /** Of the last read, another object each time: up to then the ring has all. */
  readonly lastRead: Omit<FollowedRead, "head" | "entries"> | undefined;
  readonly watchers: number;
  /** Takes part; as long as anybody does, the head is read again and again. */
  join(): Watcher;
}

export interface Watcher extends Disposable {
  /** Waits for a read after which there is something to do, or for the signal. */
  until(isDue: () => boolean, signal: AbortSignal): Promise<void>;
}

/**
 * From the end of one read to the next. A revocation by another replica is seen so much later at the most, without
 * Redis too; fifty statements a second, of 0.05 ms each, is what that costs Postgres.
 */
const readEveryMs = 20;
/** After one that failed. */
const restMs = 1_000;

export function createRevocationFeed({ encode, read, pause }: RevocationFeedDeps): RevocationFeed {
  const ring = new EntryRing(encode);
  const waiting = new Set<{ readonly isDue: () => boolean; readonly wake: () => void }>();
  let lastRead: RevocationFeed["lastRead"];
  let watchers = 0;
  let isReading = false;
  let isOver = false;

  function told({ asOf, keysVersion }: FollowedRead): void {
    lastRead = { asOf, keysVersion };
    for (const { isDue, wake } of waiting) if (isDue()) wake();
  }

  async function keepReading(): Promise<void> {
    if (isReading) return;
    isReading = true;
    while (watchers > 0 && !isOver) {
      const failed = await read().then(
        () => false,
        () => true,
      );
      await pause(failed ? restMs : readEveryMs);
    }
    isReading = false;
  }

  return {
    ring,
    get lastRead() {
      return lastRead;
    },
    get watchers() {
      return watchers;
    },
    restart(read) {
      ring.restart(read.head, read.entries);
      told(read);
    },
    append(read) {
      ring.append(read.head, read.entries);
      told(read);
    },
    forget: (nowMs) => ring.forget(nowMs),
    join() {
      watchers += 1;
      void keepReading();
      return {
        until(isDue, signal) {
          const { promise, resolve } = Promise.withResolvers<void>();
          const waiter = { isDue, wake };
          function wake(): void {
            waiting.delete(waiter);
            signal.removeEventListener("abort", wake);
            resolve();
          }
          if (signal.aborted || isDue()) return Promise.resolve();
          signal.addEventListener("abort", wake);
          waiting.add(waiter);
          return promise;
        },
        [Symbol.dispose]() {
          watchers -= 1;
        },
      };
    },
    [Symbol.dispose]() {
      isOver = true;
    },
  };
}
