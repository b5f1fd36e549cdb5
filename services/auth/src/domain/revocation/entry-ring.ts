import { uuidFromBytes, uuidToBytes } from "../../lib/uuid.ts";
import type { LogEntry, LogHead } from "../ports/revocation-log.ts";

/** How many entries were before, since the ring was made: a place that was good once is never another's. */
export type Place = number;

export interface Stretch {
  /** Encoded entries, one behind the other. */
  readonly bytes: Uint8Array;
  /** Where the next one begins. */
  readonly end: Place;
  /** Up to which entry of the log. */
  readonly head: LogHead;
}

/** Entries that are forgotten together. */
const segmentLength = 1_024;

/**
 * The living entries of the log in their order, each encoded once for all who watch. A hundred bytes and some an entry,
 * so that a million of them do not crowd out everything else.
 */
export class EntryRing {
  readonly #encode: (entry: LogEntry) => Uint8Array;
  #segments: Segment[] = [];
  /** What the oldest entry follows. */
  #base: LogHead = { seq: 0, tail: "" };
  #head: LogHead = this.#base;
  #start: Place = 0;
  #end: Place = 0;

  constructor(encode: (entry: LogEntry) => Uint8Array) {
    this.#encode = encode;
  }

  /** The place of the oldest entry. */
  get start(): Place {
    return this.#start;
  }

  /** The place behind the newest one. */
  get end(): Place {
    return this.#end;
  }

  /** Where the log ends. */
  get head(): LogHead {
    return this.#head;
  }

  /** Begins anew: what was taken from it before does not go on in it. */
  restart(head: LogHead, entries: readonly LogEntry[]): void {
    const [first] = entries;
    this.#base = first === undefined ? head : { seq: first.seq - 1, tail: first.previousId };
    this.#segments = [];
    // One place is skipped, so that who had all before has not all now.
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

  /** The place behind an entry, by its number and its id; undefined where it is unknown, or too old. */
  find({ seq, tail }: LogHead): Place | undefined {
    if (seq === this.#head.seq && tail === this.#head.tail) return this.#end;
    if (seq === this.#base.seq && tail === this.#base.tail) return this.#start;
    return this.#segments.find((segment) => segment.head.seq >= seq)?.find({ seq, tail });
  }

  /**
   * @param atMost bytes, but for one entry at least
   * @returns undefined where there is nothing at that place any more
   */
  read(place: Place, atMost: number): Stretch | undefined {
    if (place < this.#start || place > this.#end) return undefined;
    const stretch = this.#segments.findLast((segment) => segment.start <= place)?.read(place, atMost);
    if (stretch !== undefined && stretch.end < this.#end) return stretch;
    // Entries that were dead already when the log was loaded are not here, the last one of it may be such.
    return { bytes: stretch?.bytes ?? new Uint8Array(), end: this.#end, head: this.#head };
  }

  /** Drops the oldest entries, as far as they can hit nothing any more. */
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
  readonly start: Place;
  readonly #seqs: number[] = [];
  /** Where the bytes of each entry end. */
  readonly #ends: number[] = [];
  readonly #ids = new Uint8Array(16 * segmentLength);
  #bytes = new Uint8Array(2_048);
  /** When the last of them can hit nothing any more. */
  forgetAfterMs = 0;

  constructor(start: Place) {
    this.start = start;
  }

  get length(): number {
    return this.#seqs.length;
  }

  get end(): Place {
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

  find({ seq, tail }: LogHead): Place | undefined {
    const index = this.#seqs.indexOf(seq);
    return index >= 0 && this.#headAt(index).tail === tail ? this.start + index + 1 : undefined;
  }

  read(place: Place, atMost: number): Stretch {
    const first = place - this.start;
    const begin = this.#ends[first - 1] ?? 0;
    const beyond = this.#ends.findIndex((end, index) => index > first && end - begin > atMost);
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
