import { expect, test } from "vitest";
import { TokenCache } from "./cache.ts";

const entry = (token: string) => ({ token });
const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => entry(`h.p${index}.s${index}`));

test("finds an entry by its whole text, and returns the same object", () => {
  const cache = new TokenCache(10);
  const [one, other] = [entry("h.p.s1"), entry("h.p.s2")];
  cache.set(one);
  cache.set(other);
  expect([cache.get("h.p.s1"), cache.get("h.p.s2")]).toEqual([one, other]);
  expect(cache.get("h.p.s1")).toBe(one);
  expect(cache.get("h.p.s3")).toBeUndefined();
});

test.each(["h.P.s", "x.h.p.s", "h.p.s ", "s", ".s", "h.p.", "", "h.p.s.s", "h.ps"])(
  "A26 another token with the same signature, or a part of one, is not it: %j",
  (token) => {
    const cache = new TokenCache(10);
    cache.set(entry("h.p.s"));
    expect(cache.get(token)).toBeUndefined();
    // Nor by those that have not been shown for some time.
    for (const filler of numbered(5)) cache.set(filler);
    expect(cache.get(token)).toBeUndefined();
    expect(cache.get("h.p.s")).toEqual(entry("h.p.s"));
  },
);

test("an entry under a name of Object.prototype is found only by its own text", () => {
  const cache = new TokenCache(10);
  expect(cache.get("h.p.__proto__")).toBeUndefined();
  cache.set(entry("h.p.__proto__"));
  expect(cache.get("h.p.__proto__")).toEqual(entry("h.p.__proto__"));
  expect(cache.get("h.p.constructor")).toBeUndefined();
});

test.each([1, 2, 3, 10, 1_000])("never has more entries than its capacity: %i", (capacity) => {
  const cache = new TokenCache(capacity);
  let most = 0;
  for (const one of numbered(5 * capacity)) {
    cache.set(one);
    expect(cache.get(one.token)).toBe(one);
    cache.get(`h.p${Math.floor(most / 2)}.s${Math.floor(most / 2)}`);
    most = Math.max(most, cache.size);
  }
  expect(most).toBeLessThanOrEqual(capacity);
  expect(most).toBeGreaterThanOrEqual(capacity / 2);
});

test("has no entries without capacity", () => {
  const cache = new TokenCache(0);
  cache.set(entry("h.p.s"));
  expect([cache.size, cache.get("h.p.s")]).toEqual([0, undefined]);
});

test("an entry that is used again stays, among any number of others", () => {
  const cache = new TokenCache(100);
  const often = entry("h.p.often");
  cache.set(often);
  for (const [index, one] of numbered(2_000).entries()) {
    cache.set(one);
    if (index % 40 === 0) expect(cache.get(often.token)).toBe(often);
  }
  expect(cache.get("h.p0.s0")).toBeUndefined();
});
