import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogEntry, LogHead } from "../ports/revocation-log.ts";
import { EntryBuffer } from "./entry-buffer.ts";

/** The id of the `n`th entry of a history. */
function idOf(n: number, history = 0): string {
  return `${String(history).padStart(8, "0")}-0000-7000-8000-${String(n).padStart(12, "0")}`;
}
const headAt = (seq: number, history = 0): LogHead => ({ seq, tail: idOf(seq, history) });
const forever = 9e15;

function entry(seq: number, forgetAfterMs = forever): LogEntry {
  const target = { kind: "session", id: `s${seq}` } as const;
  return { seq, id: idOf(seq), previousId: idOf(seq - 1), target, forgetAfterMs };
}
const entries = (from: number, to: number, forgetAfterMs?: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => entry(from + index, forgetAfterMs));

/** One to three bytes, each of which is the number of the entry. */
function encode({ seq }: LogEntry): Uint8Array {
  return new Uint8Array(1 + (seq % 3)).fill(seq);
}

/** A buffer with the living entries of a log that ends at `end`. */
function load(living: readonly LogEntry[], end: number): EntryBuffer {
  const buffer = new EntryBuffer(encode);
  buffer.replace(headAt(end), living);
  return buffer;
}

/** Reads from an offset on, one entry at a time. @returns the numbers of the entries */
function seqsFrom(buffer: EntryBuffer, offset: number): number[] {
  const seqs: number[] = [];
  for (let at = offset; at < buffer.end; ) {
    const { end, head } = buffer.read(at, 0) ?? { end: buffer.end, head: headAt(-1) };
    seqs.push(head.seq);
    at = end;
  }
  return seqs;
}

describe("find", () => {
  test("finds only the head of an empty log", () => {
    const buffer = load([], 0);
    expect(buffer.find(headAt(0))).toBe(buffer.end);
    expect(buffer.find(headAt(1))).toBeUndefined();
    expect(buffer.find(headAt(0, 1))).toBeUndefined();
  });

  test("finds each entry by its number and its id", () => {
    const buffer = load(entries(5, 9), 9);
    for (const seq of [4, 5, 6, 7, 8, 9]) {
      const offset = buffer.find(headAt(seq)) ?? Number.NaN;
      expect(seqsFrom(buffer, offset)).toEqual([5, 6, 7, 8, 9].filter((later) => later > seq));
      expect(buffer.find(headAt(seq, 1))).toBeUndefined();
    }
    for (const seq of [0, 3, 10]) expect(buffer.find(headAt(seq))).toBeUndefined();
  });

  test("finds entries in every segment", () => {
    const buffer = load(entries(1, 5_000), 5_000);
    for (const seq of [0, 1, 1_023, 1_024, 1_025, 2_048, 2_049, 4_999, 5_000]) {
      expect(buffer.find(headAt(seq))).toBe(buffer.start + seq);
    }
  });

  test("finds no entry that had expired when the log was loaded, except the head and the entry before the first", () => {
    const buffer = load([entry(3), entry(6)], 8);
    expect(buffer.find(headAt(2))).toBe(buffer.start);
    expect(buffer.find(headAt(3))).toBe(buffer.start + 1);
    expect(buffer.find(headAt(8))).toBe(buffer.end);
    for (const seq of [1, 4, 5, 7]) expect(buffer.find(headAt(seq))).toBeUndefined();
  });
});

describe("read", () => {
  test("reads as many entries as fit, and at least one", () => {
    const buffer = load(entries(1, 6), 6);
    // The entries have 2, 3, 1, 2, 3 and 1 bytes.
    const at = (offset: number, maxBytes: number) => {
      const chunk = buffer.read(buffer.start + offset, maxBytes);
      return [chunk?.bytes.join(""), (chunk?.end ?? 0) - buffer.start, chunk?.head.seq];
    };
    expect(at(0, 0)).toEqual(["11", 1, 1]);
    expect(at(0, 4)).toEqual(["11", 1, 1]);
    expect(at(0, 5)).toEqual(["11222", 2, 2]);
    expect(at(2, 6)).toEqual(["344555", 5, 5]);
    expect(at(2, 7)).toEqual(["3445556", 6, 6]);
    expect(at(6, 7)).toEqual(["", 6, 6]);
  });

  test("reads nothing before the first entry or after the last one", () => {
    const buffer = load(entries(1, 3), 3);
    expect(buffer.read(buffer.start - 1, 100)).toBeUndefined();
    expect(buffer.read(buffer.end + 1, 100)).toBeUndefined();
  });

  test("reads up to the head if only expired entries follow the last one", () => {
    const buffer = load([entry(3), entry(6)], 8);
    expect(buffer.read(buffer.start, 0)).toMatchObject({ end: buffer.start + 1, head: headAt(3) });
    expect(buffer.read(buffer.start, 100)).toMatchObject({ end: buffer.end, head: headAt(8) });
    expect(buffer.read(buffer.end, 100)).toEqual({
      bytes: new Uint8Array(),
      end: buffer.end,
      head: headAt(8),
    });
    buffer.append(headAt(9), [entry(9)]);
    expect(buffer.read(buffer.end - 1, 100)).toMatchObject({ end: buffer.end, head: headAt(9) });
  });

  test("returns bytes that later entries do not change", () => {
    const buffer = load([], 0);
    buffer.append(headAt(1), [entry(1)]);
    const { bytes } = buffer.read(buffer.start, 100) ?? {};
    const before = bytes?.join();
    buffer.append(headAt(3_000), entries(2, 3_000));
    expect(bytes?.join()).toBe(before);
  });
});

describe("forget", () => {
  test("drops only segments whose entries have all expired, oldest first", () => {
    const buffer = load([...entries(1, 1_023, 100), entry(1_024, 200), ...entries(1_025, 3_000, 100)], 3_000);
    const { start } = buffer;
    buffer.forget(200);
    expect(buffer.start).toBe(start);
    buffer.forget(201);
    // The last segment is dropped although it is not full. New entries go into a new one.
    expect(buffer.start).toBe(buffer.end);
    expect(buffer.read(start, 100)).toBeUndefined();
    expect(buffer.find(headAt(1_024))).toBeUndefined();
    expect(buffer.find(headAt(3_000))).toBe(buffer.end);
    buffer.append(headAt(3_001), [entry(3_001)]);
    expect(buffer.find(headAt(3_000))).toBe(buffer.end - 1);
    expect(seqsFrom(buffer, buffer.start)).toEqual([3_001]);
  });

  test("keeps the offset of the end valid when it drops a segment", () => {
    const buffer = load(entries(1, 10, 100), 10);
    const offset = buffer.end;
    buffer.forget(101);
    buffer.append(headAt(11), [entry(11)]);
    expect(seqsFrom(buffer, offset)).toEqual([11]);
  });
});

describe("replace", () => {
  test("makes all earlier offsets invalid, including the end", () => {
    const buffer = load(entries(1, 3), 3);
    const before = Array.from({ length: 4 }, (_, index) => buffer.start + index);
    buffer.replace(headAt(3), entries(1, 3));
    for (const offset of before) expect(buffer.read(offset, 100)).toBeUndefined();
    expect(seqsFrom(buffer, buffer.find(headAt(2)) ?? Number.NaN)).toEqual([3]);
  });

  test("finds no entry of another history under the same number", () => {
    const buffer = load(entries(1, 3), 3);
    const other: LogEntry = { ...entry(3), id: idOf(3, 1) };
    buffer.replace(headAt(3, 1), [...entries(1, 2), other]);
    expect(buffer.find(headAt(3))).toBeUndefined();
    expect(buffer.find(headAt(3, 1))).toBe(buffer.end);
    expect(buffer.find(headAt(2))).toBe(buffer.end - 1);
  });
});

describe("the buffer compared with a list", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("append" as const),
      // Some appends end within a segment, some fill several.
      count: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 900, max: 2_200 })),
      livesFor: fc.integer({ min: 0, max: 100 }),
    }),
    fc.record({ kind: fc.constant("forget" as const), later: fc.integer({ min: 0, max: 120 }) }),
    fc.record({
      kind: fc.constant("replace" as const),
      lost: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3_000 })),
      deadOneIn: fc.integer({ min: 2, max: 5 }),
      isLastDead: fc.boolean(),
    }),
  );

  test("returns the same entries after any sequence of steps", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 12 }),
        fc.integer({ min: 0, max: 4_000 }),
        (steps, maxBytes) => {
          const model = createModel();
          for (const one of steps) {
            model.take(one);
            model.check(maxBytes);
          }
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);

  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

  function createModel() {
    const buffer = new EntryBuffer(encode);
    /** The whole log, and the entries that the buffer has received since it was last replaced. */
    let log: LogEntry[] = [];
    let received: LogEntry[] = [];
    let origin: LogHead = headAt(0);
    let nowMs = 0;
    let made = 0;
    /** The offset of `received[0]`. */
    let first = 0;
    /** How many of `received` the buffer may have dropped. */
    let forgotten = 0;
    let goneBelow = 0;
    buffer.replace(headAt(0), []);
    first = buffer.start;

    const end = (): LogHead => {
      const last = log.at(-1);
      return last === undefined ? headAt(0) : { seq: last.seq, tail: last.id };
    };

    function append(count: number, forgetAfterMs: number): void {
      const added: LogEntry[] = [];
      for (let index = 0; index < count; index += 1) {
        const { seq, tail } = end();
        made += 1;
        const next = { ...entry(seq + 1, forgetAfterMs), id: idOf(made, 1), previousId: tail };
        added.push(next);
        log.push(next);
      }
      received.push(...added);
      buffer.append(end(), added);
    }

    function replace({ lost, deadOneIn, isLastDead }: Extract<Step, { kind: "replace" }>): void {
      log = log.slice(0, Math.max(0, log.length - lost));
      received = log.filter(({ seq }) => seq % deadOneIn !== 0 && !(isLastDead && seq === log.length));
      origin = received[0] === undefined ? end() : { seq: received[0].seq - 1, tail: received[0].previousId };
      goneBelow = buffer.end + 1;
      buffer.replace(end(), received);
      first = buffer.start;
      forgotten = 0;
    }

    function forget(): void {
      buffer.forget(nowMs);
      forgotten = buffer.start - first;
      expect(received.slice(0, forgotten).every(({ forgetAfterMs }) => forgetAfterMs < nowMs)).toBe(true);
      // The buffer keeps fewer expired entries than a segment has.
      const kept = received.slice(forgotten, forgotten + 1_024);
      expect(kept.length === 0 || kept.some(({ forgetAfterMs }) => forgetAfterMs >= nowMs)).toBe(true);
      const last = received[forgotten - 1];
      if (last !== undefined) origin = { seq: last.seq, tail: last.id };
    }

    return {
      take(one: Step): void {
        if (one.kind === "append") append(one.count, nowMs + one.livesFor);
        else if (one.kind === "replace") replace(one);
        else {
          nowMs += one.later;
          forget();
        }
      },
      check(maxBytes: number): void {
        const living = received.slice(forgotten);
        expect([buffer.start, buffer.end]).toEqual([first + forgotten, first + received.length]);
        expect(buffer.head).toEqual(end());
        expect(buffer.find(end())).toBe(buffer.end);
        if (origin.seq !== end().seq) expect(buffer.find(origin)).toBe(buffer.start);
        for (let index = 0; index < living.length; index += 211) {
          const { seq, id } = living[index] ?? entry(0);
          if (seq === end().seq) continue;
          expect(buffer.find({ seq, tail: id })).toBe(buffer.start + index + 1);
          expect(buffer.find({ seq, tail: idOf(seq, 9) })).toBeUndefined();
        }
        for (const offset of [0, goneBelow - 1, buffer.start - 1, buffer.end + 1]) {
          expect(buffer.read(offset, maxBytes)).toBeUndefined();
        }
        const pieces: Uint8Array[] = [];
        for (let offset = buffer.start; ; ) {
          const { bytes, end: next, head } = buffer.read(offset, maxBytes) ?? expect.unreachable();
          expect(bytes.length <= maxBytes || next === offset + 1).toBe(true);
          pieces.push(bytes);
          const last = received[next - first - 1];
          expect(head).toEqual(next === buffer.end ? end() : { seq: last?.seq, tail: last?.id });
          if (next === buffer.end) break;
          expect(next).toBeGreaterThan(offset);
          offset = next;
        }
        expect(Buffer.concat(pieces).equals(Buffer.concat(living.map(encode)))).toBe(true);
      },
    };
  }
});
