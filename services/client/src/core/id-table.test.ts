import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IdTable } from "./id-table.ts";
import { idBody, idBodyOf } from "./revocation-set.fixture.ts";

const bodies = fc.stringMatching(idBody);
/** As many as make a table full, and more. */
const pools = fc.uniqueArray(
  bodies.map((body) => `usr_${body}`),
  { minLength: 8, maxLength: 30 },
);
/** Ids are added; without a pick, what is older than that second is forgotten. */
const steps = fc.record({
  pick: fc.option(fc.nat({ max: 29 }), { nil: undefined, freq: 15 }),
  second: fc.integer({ min: 1, max: 12 }),
  number: fc.nat({ max: 99 }),
});
const whole = "tok_01h2xcejqtf2nbrexx3vqjhp41";

describe("IdTable", () => {
  test("contains what was added", () => {
    fc.assert(
      fc.property(fc.uniqueArray(bodies, { maxLength: 200 }), (all) => {
        const table = new IdTable("tok_");
        const half = all.slice(0, all.length / 2);
        for (const body of half) table.add(`tok_${body}`, 1_000);
        expect(table.size).toBe(half.length);
        for (const body of all) expect(table.has(`tok_${body}`)).toBe(half.includes(body));
      }),
    );
  });

  test("distinguishes IDs that differ in any one character", () => {
    fc.assert(
      fc.property(bodies, fc.nat({ max: 25 }), fc.nat({ max: 31 }), (body, at, digit) => {
        const other = body.slice(0, at) + "0123456789abcdefghjkmnpqrstvwxyz"[digit] + body.slice(at + 1);
        const table = new IdTable("tok_");
        table.add(`tok_${body}`, 1_000);
        expect(table.has(`tok_${other}`)).toBe(other === body);
      }),
    );
  });

  test.each([
    ["another prefix", `ses_${whole.slice(4)}`],
    ["no prefix", whole.slice(4)],
    ["upper case", whole.toUpperCase()],
    ["upper case behind the prefix", `tok_${whole.slice(4).toUpperCase()}`],
    ["a letter that Crockford left out", whole.replace("1h", "lh")],
    ["another one at its end", `${whole.slice(0, -1)}u`],
    ["more than 128 bits", whole.replace("_0", "_8")],
    ["the largest value of 26 characters", `tok_${"z".repeat(26)}`],
    ["a letter whose code ends in the same bits", `${whole.slice(0, -1)}${String.fromCharCode(0x131)}`],
    ["too short", whole.slice(0, -1)],
    ["too long", `${whole}0`],
    ["a name of Object.prototype", "__proto__"],
    ["the prefix alone", "tok_"],
    ["no text", ""],
  ])("keeps a text that is not an ID, and matches only that text: %s", (_, odd) => {
    const table = new IdTable("tok_", true);
    table.add(odd, 1_500, 7);
    expect([table.has(odd), table.get(odd), table.size]).toEqual([true, 7, 1]);
    expect(table.has(whole)).toBe(false);

    table.add(whole, 1_500, 5);
    table.add(odd, 1_400, 6);
    expect([table.get(odd), table.get(whole), table.size]).toEqual([7, 5, 2]);

    table.forget(1_500);
    expect(table.has(odd)).toBe(true);
    table.forget(1_501);
    expect(table.has(odd)).toBe(false);
  });

  test("keeps the greatest number and the latest time, in any order", () => {
    for (const id of [whole, "odd"]) {
      const table = new IdTable("tok_", true);
      table.add(id, 9_000, 3);
      table.add(id, 1_000, 2 ** 53 - 1);
      table.add(id, 2_000, 4);
      expect([table.get(id), table.size]).toEqual([2 ** 53 - 1, 1]);
      table.forget(9_000);
      expect(table.get(id)).toBe(2 ** 53 - 1);
      table.forget(9_001);
      expect([table.get(id), table.size]).toEqual([undefined, 0]);
    }
  });

  test("keeps an ID at least until its time, and at most a second longer", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4e12 }), (forgetAfterMs) => {
        const table = new IdTable("tok_");
        table.add(whole, forgetAfterMs);
        table.forget(forgetAfterMs);
        expect(table.has(whole)).toBe(true);
        table.forget(forgetAfterMs + 1_000);
        expect(table.has(whole)).toBe(false);
      }),
    );
  });

  test.each([0, -1, -1e20, 1e20, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])(
    "holds an id that is to be kept until %d",
    (forgetAfterMs) => {
      const table = new IdTable("tok_");
      table.add(whole, forgetAfterMs);
      expect([table.has(whole), table.size]).toEqual([true, 1]);
      table.forget(0);
      expect(table.has(whole)).toBe(true);
    },
  );

  test.each([2 ** 31 * 1_000, 1e20, Number.NaN])("treats %d as later than now", (farMs) => {
    for (const times of [
      [farMs, 1_000],
      [1_000, farMs],
    ]) {
      const table = new IdTable("tok_");
      for (const forgetAfterMs of times) table.add(whole, forgetAfterMs);
      table.forget(1_800_000_000_000);
      expect(table.has(whole)).toBe(true);
    }
  });

  test("drops nothing if the time is not a number", () => {
    const table = new IdTable("tok_");
    for (const id of [whole, "odd"]) table.add(id, 1_000);
    table.forget(Number.NaN);
    expect(table.size).toBe(2);
  });

  test("behaves like a Map", () => {
    fc.assert(
      fc.property(pools, fc.array(steps, { maxLength: 150 }), (pool, all) => {
        const table = new IdTable("usr_", true);
        const known = new Map<string, { second: number; number: number }>();
        const expectSame = () => {
          expect(table.size).toBe(known.size);
          expect(pool.map((id) => table.get(id))).toEqual(pool.map((id) => known.get(id)?.number));
        };
        for (const { pick, second, number } of all) {
          if (pick === undefined) {
            for (const [id, one] of known) if (one.second < second) known.delete(id);
            table.forget(1_000 * second);
            expectSame();
            continue;
          }
          const id = pool[pick % pool.length] ?? "";
          const { second: before = 0, number: least = 0 } = known.get(id) ?? {};
          known.set(id, { second: Math.max(before, second), number: Math.max(least, number) });
          table.add(id, 1_000 * second, number);
        }
        expectSame();
      }),
      { numRuns: 1_000 },
    );
  });

  test("holds 195,000 IDs of one millisecond, drops a third of them, and accepts more", () => {
    const table = new IdTable("usr_", true);
    const count = 195_000;
    const id = (index: number) => `usr_${idBodyOf(index)}`;
    const wrong = (expected: (index: number) => number | undefined) => {
      let found = 0;
      for (let index = 0; index < 2 * count; index++) {
        if (table.get(id(index)) !== expected(index)) found += 1;
      }
      return found;
    };
    for (let index = 0; index < count; index++) table.add(id(index), 1_000 * (1 + (index % 3)), index);
    expect([table.size, wrong((index) => (index < count ? index : undefined))]).toEqual([count, 0]);

    table.forget(1_001);
    const isKept = (index: number) => index < count && index % 3 > 0;
    expect([table.size, wrong((index) => (isKept(index) ? index : undefined))]).toEqual([(2 * count) / 3, 0]);

    for (let index = 0; index < 2 * count; index++) table.add(id(index), 4_000, 1);
    const numberOf = (index: number) => (isKept(index) ? index : 1);
    expect([table.size, wrong((index) => Math.max(1, numberOf(index)))]).toEqual([2 * count, 0]);
    table.forget(4_001);
    expect([table.size, table.has(id(10))]).toEqual([0, false]);
  });
});
