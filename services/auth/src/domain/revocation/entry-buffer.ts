import { uuidFromBytes, uuidToBytes } from "../../lib/uuid.ts";
import type { LogEntry, LogHead } from "../ports/revocation-log.ts";

/** A run of encoded entries. */
export interface EntryChunk {
  /** The encoded entries, one after the other. */
  readonly bytes: Uint8Array;
  /** Offset after the last entry of the chunk. */
  readonly end: number;
  /** The last entry of the log up to which a reader has everything after this chunk. */
  readonly head: LogHead;
}

/** Entries in a segment. A segment is dropped as a whole. */
const segmentLength = 1_024;

/**
 * The living entries of the log in their order. Each entry is encoded once for all watchers. An entry takes a little
 * more than 100 bytes of memory.
 *
 * An offset is the number of entries that were added before it since the buffer was created. An offset is never used
 * again for another entry.
 */
export class EntryBuffer {
  readonly #encode: (entry: LogEntry) => Uint8Array;
  #segments: Segment[] = [];
  /** The entry before the oldest one in the buffer. */
  #base: LogHead = { seq: 0, tail: "" };
  #head: LogHead = this.#base;
  #start = 0;
  #end = 0;

  constructor(encode: (entry: LogEntry) => Uint8Array) {
    this.#encode = encode;
  }

  /** Offset of the oldest entry. */
  get start(): number {
    return this.#start;
  }

  /** Offset after the newest entry. */
  get end(): number {
    return this.#end;
  }

  /** The last entry of the log. */
  get head(): LogHead {
    return this.#head;
  }

  /** Replaces all entries. No offset from before is valid afterwards. */
  replace(head: LogHead, entries: readonly LogEntry[]): void {
    const [first] = entries;
    this.#base = first === undefined ? head : { seq: first.seq - 1, tail: first.previousId };
    this.#segments = [];
    // One offset is skipped, so that the old end is not taken for the new start.
    this.#start = this.#end + 1;
    this.#end = this.#start;
    this.append(head, entries);
  }

  append(head: LogHead, entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      let segment = this.#segments.at(-1);
      if (segment === undefined || segment.length === segmentLength) {
        segment = new Segment(this.#end);
        this.#segments.push(segment);
      }
      segment.add(entry, this.#encode(entry));
      this.#end += 1;
    }
    this.#head = head;
  }

  /** The offset after an entry, by its number and its id. Undefined if the entry is unknown or no longer in the buffer. */
  find({ seq, tail }: LogHead): number | undefined {
    if (seq === this.#head.seq && tail === this.#head.tail) return this.#end;
    if (seq === this.#base.seq && tail === this.#base.tail) return this.#start;
    return this.#segments.find((segment) => segment.head.seq >= seq)?.find({ seq, tail });
  }

  /**
   * Reads entries of one segment.
   * @param maxBytes may be exceeded by the first entry, which is always returned
   * @returns undefined if the buffer has nothing at that offset any more
   */
  read(offset: number, maxBytes: number): EntryChunk | undefined {
    if (offset < this.#start || offset > this.#end) return undefined;
    const chunk = this.#segments.findLast((segment) => segment.start <= offset)?.read(offset, maxBytes);
    if (chunk !== undefined && chunk.end < this.#end) return chunk;
    // Entries that had expired when the log was loaded are not in the buffer. The last entry of the log may be one.
    return { bytes: chunk?.bytes ?? new Uint8Array(), end: this.#end, head: this.#head };
  }

  /** Drops the oldest segments whose entries have all expired. */
  forget(nowMs: number): void {
    for (;;) {
      const [oldest] = this.#segments;
      if (oldest === undefined || oldest.forgetAfterMs >= nowMs) return;
      this.#segments.shift();
      this.#start = oldest.end;
      this.#base = oldest.head;
    }
  }
}

class Segment {
  readonly start: number;
  readonly #seqs: number[] = [];
  /** For each entry, the end of its bytes in `#bytes`. */
  readonly #ends: number[] = [];
  readonly #ids = new Uint8Array(16 * segmentLength);
  #bytes = new Uint8Array(2_048);
  /** When the last entry of the segment expires. */
  forgetAfterMs = 0;

  constructor(start: number) {
    this.start = start;
  }

  get length(): number {
    return this.#seqs.length;
  }

  get end(): number {
    return this.start + this.length;
  }

  get head(): LogHead {
    return this.#headAt(this.length - 1);
  }

  add(entry: LogEntry, encoded: Uint8Array): void {
    const begin = this.#ends.at(-1) ?? 0;
    const end = begin + encoded.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(2 * end);
      larger.set(this.#bytes.subarray(0, begin));
      this.#bytes = larger;
    }
    this.#bytes.set(encoded, begin);
    this.#ids.set(uuidToBytes(entry.id), 16 * this.length);
    this.#ends.push(end);
    this.#seqs.push(entry.seq);
    this.forgetAfterMs = Math.max(this.forgetAfterMs, entry.forgetAfterMs);
  }

  find({ seq, tail }: LogHead): number | undefined {
    const index = this.#seqs.indexOf(seq);
    return index >= 0 && this.#headAt(index).tail === tail ? this.start + index + 1 : undefined;
  }

  read(offset: number, maxBytes: number): EntryChunk {
    const first = offset - this.start;
    const begin = this.#ends[first - 1] ?? 0;
    const beyond = this.#ends.findIndex((end, index) => index > first && end - begin > maxBytes);
    const count = beyond < 0 ? this.length : beyond;
    return {
      bytes: this.#bytes.subarray(begin, this.#ends[count - 1]),
      end: this.start + count,
      head: this.#headAt(count - 1),
    };
  }

  #headAt(index: number): LogHead {
    return {
      seq: this.#seqs[index] ?? 0,
      tail: uuidFromBytes(this.#ids.subarray(16 * index, 16 * (index + 1))),
    };
  }
}
