import type { Uuid } from "../ports/ids.ts";
import type { LogEntry, LogHead } from "../ports/revocation-log.ts";
import { EntryBuffer } from "./entry-buffer.ts";

/** What a read of the log's head has returned. */
export interface LogUpdate {
  readonly head: LogHead;
  /** The database's time when the read began. */
  readonly asOf: Date;
  /** The version of the keys during the read (`KeyList.version`). */
  readonly keysVersion: Uuid;
  readonly entries: readonly LogEntry[];
}

/** Receives every read of the head, in order. */
export interface LogListener {
  /** The log was loaded: `entries` are all living entries and need not continue what was received before. */
  replace(update: LogUpdate): void;
  /** The head was read: `entries` continue what was received before. */
  append(update: LogUpdate): void;
  /** Entries that expired before this time are no longer needed. */
  forget(nowMs: number): void;
}

/** The log as all watchers of a replica share it. */
export interface RevocationBroadcaster extends LogListener {
  readonly watchers: number;
  join(): Watcher;
}

/** One stream's access to the log. Dispose of it when the stream ends. */
export interface Watcher extends Disposable {
  readonly buffer: Pick<EntryBuffer, "start" | "end" | "find" | "read">;
  /** The last read, up to which the buffer has everything. Each read is another object. */
  readonly lastRead: Omit<LogUpdate, "head" | "entries"> | undefined;
  /** Waits for a read after which `isDue` returns true, or for the signal. */
  until(isDue: () => boolean, signal: AbortSignal): Promise<void>;
}

/** @param encode an entry as watchers send it */
export function createRevocationBroadcaster(encode: (entry: LogEntry) => Uint8Array): RevocationBroadcaster {
  const buffer = new EntryBuffer(encode);
  const waiting = new Set<{ readonly isDue: () => boolean; readonly wake: () => void }>();
  let lastRead: Watcher["lastRead"];
  let watchers = 0;

  function received({ asOf, keysVersion }: LogUpdate): void {
    lastRead = { asOf, keysVersion };
    for (const { isDue, wake } of waiting) if (isDue()) wake();
  }

  function until(isDue: () => boolean, signal: AbortSignal): Promise<void> {
    if (signal.aborted || isDue()) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { isDue, wake };
    function wake(): void {
      waiting.delete(waiter);
      signal.removeEventListener("abort", wake);
      resolve();
    }
    signal.addEventListener("abort", wake);
    waiting.add(waiter);
    return promise;
  }

  return {
    get watchers() {
      return watchers;
    },
    replace(update) {
      buffer.replace(update.head, update.entries);
      received(update);
    },
    append(update) {
      buffer.append(update.head, update.entries);
      received(update);
    },
    forget: (nowMs) => buffer.forget(nowMs),
    join() {
      watchers += 1;
      return {
        buffer,
        get lastRead() {
          return lastRead;
        },
        until,
        [Symbol.dispose]() {
          watchers -= 1;
        },
      };
    },
  };
}
