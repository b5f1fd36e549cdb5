/** The state of a writer, as every `Writable` reports it. */
export interface Writer {
  /** Bytes that the reader has not read yet. */
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
 * Measures how long a reader has read nothing. For a complete response the time counts from the end of the writing,
 * even if the reader makes progress: a reader that reads one byte at a time also keeps the response in memory.
 */
export function createStallClock() {
  const seen = new WeakMap<object, Seen>();
  return {
    /** Checks a writer, identified by `key`. @returns milliseconds since it last had nothing to write, or made progress */
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
