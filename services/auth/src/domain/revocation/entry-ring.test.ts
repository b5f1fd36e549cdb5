import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogEntry, LogHead } from "../ports/revocation-log.ts";
import { EntryRing, type Place } from "./entry-ring.ts";

/** The `n`th id of a history. */
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

/** One to three bytes, so that entries differ in length and show their number. */
function encode({ seq }: LogEntry): Uint8Array {
  return new Uint8Array(1 + (seq % 3)).fill(seq);
}

/** Loaded with the living entries of a log that ends at `end`. */
function load(living: readonly LogEntry[], end: number): EntryRing {
  const ring = new EntryRing(encode);
  ring.restart(headAt(end), living);
  return ring;
}

/** Numbers of what is read from a place on, one entry at a time. */
function seqsFrom(ring: EntryRing, place: Place): number[] {
  const seqs: number[] = [];
  for (let at = place; at < ring.end; ) {
    const { end, head } = ring.read(at, 0) ?? { end: ring.end, head: headAt(-1) };
    seqs.push(head.seq);
    at = end;
  }
  return seqs;
}

describe("find", () => {
  test("what an empty log ends with, and nothing else", () => {
    const ring = load([], 0);
    expect(ring.find(headAt(0))).toBe(ring.end);
    expect(ring.find(headAt(1))).toBeUndefined();
    expect(ring.find(headAt(0, 1))).toBeUndefined();
  });

  test("each entry by its number and its id, with what follows it", () => {
    const ring = load(entries(5, 9), 9);
    for (const seq of [4, 5, 6, 7, 8, 9]) {
      const place = ring.find(headAt(seq)) ?? Number.NaN;
      expect(seqsFrom(ring, place)).toEqual([5, 6, 7, 8, 9].filter((later) => later > seq));
      expect(ring.find(headAt(seq, 1))).toBeUndefined();
    }
    for (const seq of [0, 3, 10]) expect(ring.find(headAt(seq))).toBeUndefined();
  });

  test("in any segment", () => {
    const ring = load(entries(1, 5_000), 5_000);
    for (const seq of [0, 1, 1_023, 1_024, 1_025, 2_048, 2_049, 4_999, 5_000]) {
      expect(ring.find(headAt(seq))).toBe(ring.start + seq);
    }
  });

  test("an entry that was dead when the log was loaded is unknown, but for the last one and that before the first", () => {
    const ring = load([entry(3), entry(6)], 8);
    expect(ring.find(headAt(2))).toBe(ring.start);
    expect(ring.find(headAt(3))).toBe(ring.start + 1);
    expect(ring.find(headAt(8))).toBe(ring.end);
    for (const seq of [1, 4, 5, 7]) expect(ring.find(headAt(seq))).toBeUndefined();
  });
});

describe("read", () => {
  test("as many entries as fit, and one where none does", () => {
    const ring = load(entries(1, 6), 6);
    // Of 2, 3, 1, 2, 3 and 1 bytes.
    const at = (place: Place, atMost: number) => {
      const stretch = ring.read(ring.start + place, atMost);
      return [stretch?.bytes.join(""), (stretch?.end ?? 0) - ring.start, stretch?.head.seq];
    };
    expect(at(0, 0)).toEqual(["11", 1, 1]);
    expect(at(0, 4)).toEqual(["11", 1, 1]);
    expect(at(0, 5)).toEqual(["11222", 2, 2]);
    expect(at(2, 6)).toEqual(["344555", 5, 5]);
    expect(at(2, 7)).toEqual(["3445556", 6, 6]);
    expect(at(6, 7)).toEqual(["", 6, 6]);
  });

  test("nothing before the first entry, nor behind the last", () => {
    const ring = load(entries(1, 3), 3);
    expect(ring.read(ring.start - 1, 100)).toBeUndefined();
    expect(ring.read(ring.end + 1, 100)).toBeUndefined();
  });

  test("who has the last entry that lives has all, up to a dead one behind it", () => {
    const ring = load([entry(3), entry(6)], 8);
    expect(ring.read(ring.start, 0)).toMatchObject({ end: ring.start + 1, head: headAt(3) });
    expect(ring.read(ring.start, 100)).toMatchObject({ end: ring.end, head: headAt(8) });
    expect(ring.read(ring.end, 100)).toEqual({ bytes: new Uint8Array(), end: ring.end, head: headAt(8) });
    ring.append(headAt(9), [entry(9)]);
    expect(ring.read(ring.end - 1, 100)).toMatchObject({ end: ring.end, head: headAt(9) });
  });

  test("what was read does not change by what comes later", () => {
    const ring = load([], 0);
    ring.append(headAt(1), [entry(1)]);
    const { bytes } = ring.read(ring.start, 100) ?? {};
    const before = bytes?.join();
    ring.append(headAt(3_000), entries(2, 3_000));
    expect(bytes?.join()).toBe(before);
  });
});

describe("forget", () => {
  test("only segments all of whose entries are dead, from the oldest on", () => {
    const ring = load([...entries(1, 1_023, 100), entry(1_024, 200), ...entries(1_025, 3_000, 100)], 3_000);
    const { start } = ring;
    ring.forget(200);
    expect(ring.start).toBe(start);
    ring.forget(201);
    // The last segment is not full: it is forgotten with what has still to come.
    expect(ring.start).toBe(ring.end);
    expect(ring.read(start, 100)).toBeUndefined();
    expect(ring.find(headAt(1_024))).toBeUndefined();
    expect(ring.find(headAt(3_000))).toBe(ring.end);
    ring.append(headAt(3_001), [entry(3_001)]);
    expect(ring.find(headAt(3_000))).toBe(ring.end - 1);
    expect(seqsFrom(ring, ring.start)).toEqual([3_001]);
  });

  test("who was at the end is there still", () => {
    const ring = load(entries(1, 10, 100), 10);
    const place = ring.end;
    ring.forget(101);
    ring.append(headAt(11), [entry(11)]);
    expect(seqsFrom(ring, place)).toEqual([11]);
  });
});

describe("restart", () => {
  test("no place from before is good, not even that of who had all", () => {
    const ring = load(entries(1, 3), 3);
    const before = Array.from({ length: 4 }, (_, index) => ring.start + index);
    ring.restart(headAt(3), entries(1, 3));
    for (const place of before) expect(ring.read(place, 100)).toBeUndefined();
    expect(seqsFrom(ring, ring.find(headAt(2)) ?? Number.NaN)).toEqual([3]);
  });

  test("an entry of a history that was lost is unknown under the same number", () => {
    const ring = load(entries(1, 3), 3);
    const other: LogEntry = { ...entry(3), id: idOf(3, 1) };
    ring.restart(headAt(3, 1), [...entries(1, 2), other]);
    expect(ring.find(headAt(3))).toBeUndefined();
    expect(ring.find(headAt(3, 1))).toBe(ring.end);
    expect(ring.find(headAt(2))).toBe(ring.end - 1);
  });
});

describe("as a list that forgets nothing", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("append" as const),
      // Some come within a segment, some fill several.
      count: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 900, max: 2_200 })),
      livesFor: fc.integer({ min: 0, max: 100 }),
    }),
    fc.record({ kind: fc.constant("forget" as const), later: fc.integer({ min: 0, max: 120 }) }),
    fc.record({
      kind: fc.constant("restart" as const),
      lost: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3_000 })),
      deadOneIn: fc.integer({ min: 2, max: 5 }),
      isLastDead: fc.boolean(),
    }),
  );

  test("whatever happens to it", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), fc.integer({ min: 0, max: 4_000 }), (steps, atMost) => {
        const model = createModel();
        for (const one of steps) {
          model.take(one);
          model.check(atMost);
        }
      }),
      { numRuns: 60 },
    );
  }, 600_000);

  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

  function createModel() {
    const ring = new EntryRing(encode);
    /** The whole log, and those of its entries that the ring has been told of since it began anew. */
    let log: LogEntry[] = [];
    let told: LogEntry[] = [];
    let origin: LogHead = headAt(0);
    let nowMs = 0;
    let made = 0;
    /** The place of `told[0]`. */
    let first = 0;
    /** How many of `told` it may have forgotten. */
    let forgotten = 0;
    let goneBelow = 0;
    ring.restart(headAt(0), []);
    first = ring.start;

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
      told.push(...added);
      ring.append(end(), added);
    }

    function restart({ lost, deadOneIn, isLastDead }: Extract<Step, { kind: "restart" }>): void {
      log = log.slice(0, Math.max(0, log.length - lost));
      told = log.filter(({ seq }) => seq % deadOneIn !== 0 && !(isLastDead && seq === log.length));
      origin = told[0] === undefined ? end() : { seq: told[0].seq - 1, tail: told[0].previousId };
      goneBelow = ring.end + 1;
      ring.restart(end(), told);
      first = ring.start;
      forgotten = 0;
    }

    function forget(): void {
      ring.forget(nowMs);
      forgotten = ring.start - first;
      expect(told.slice(0, forgotten).every(({ forgetAfterMs }) => forgetAfterMs < nowMs)).toBe(true);
      // Of the dead it keeps less than a segment.
      const kept = told.slice(forgotten, forgotten + 1_024);
      expect(kept.length === 0 || kept.some(({ forgetAfterMs }) => forgetAfterMs >= nowMs)).toBe(true);
      const last = told[forgotten - 1];
      if (last !== undefined) origin = { seq: last.seq, tail: last.id };
    }

    return {
      take(one: Step): void {
        if (one.kind === "append") append(one.count, nowMs + one.livesFor);
        else if (one.kind === "restart") restart(one);
        else {
          nowMs += one.later;
          forget();
        }
      },
      check(atMost: number): void {
        const living = told.slice(forgotten);
        expect([ring.start, ring.end]).toEqual([first + forgotten, first + told.length]);
        expect(ring.head).toEqual(end());
        expect(ring.find(end())).toBe(ring.end);
        if (origin.seq !== end().seq) expect(ring.find(origin)).toBe(ring.start);
        for (let index = 0; index < living.length; index += 211) {
          const { seq, id } = living[index] ?? entry(0);
          if (seq === end().seq) continue;
          expect(ring.find({ seq, tail: id })).toBe(ring.start + index + 1);
          expect(ring.find({ seq, tail: idOf(seq, 9) })).toBeUndefined();
        }
        for (const place of [0, goneBelow - 1, ring.start - 1, ring.end + 1]) {
          expect(ring.read(place, atMost)).toBeUndefined();
        }
        const pieces: Uint8Array[] = [];
        for (let place = ring.start; ; ) {
          const { bytes, end: next, head } = ring.read(place, atMost) ?? expect.unreachable();
          expect(bytes.length <= atMost || next === place + 1).toBe(true);
          pieces.push(bytes);
          const last = told[next - first - 1];
          expect(head).toEqual(next === ring.end ? end() : { seq: last?.seq, tail: last?.id });
          if (next === ring.end) break;
          expect(next).toBeGreaterThan(place);
          place = next;
        }
        expect(Buffer.concat(pieces).equals(Buffer.concat(living.map(encode)))).toBe(true);
      },
    };
  }
});
