/** What a writer says about itself; every `Writable` does. */
export interface Writer {
  /** Bytes that the reader has not taken yet. */
  readonly writableLength: number;
  /** Whether everything was written. */
  readonly writableEnded: boolean;
}

interface Seen {
  length: number;
  ended: boolean;
  sinceMs: number;
}

/**
 * Tells how long a reader has been taking nothing. Of an answer that is complete the time counts from its end, whatever
 * the reader takes in between: a reader that takes one byte at a time holds the answer in memory as well.
 */
export function createStallClock() {
  const seen = new WeakMap<object, Seen>();
  return {
    /** Looks at a writer, known by `key`. @returns milliseconds since it last had nothing to write, or made progress */
    stalledMs(key: object, { writableLength: length, writableEnded: ended }: Writer, nowMs: number): number {
      const last = seen.get(key);
      if (last === undefined) {
        seen.set(key, { length, ended, sinceMs: nowMs });
        return 0;
      }
      const progressed = ended ? !last.ended : length === 0 || length < last.length;
      if (progressed) last.sinceMs = nowMs;
      last.length = length;
      last.ended = ended;
      return nowMs - last.sinceMs;
    },
  };
}
