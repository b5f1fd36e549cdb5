import fc from "fast-check";
import { expect, test } from "vitest";
import { firstCharacters } from "./first-characters.ts";

test.each([
  ["", 2, ""],
  ["ab", 2, "ab"],
  ["abc", 2, "ab"],
  ["\u{1f469}\u{1f469}\u{1f469}", 2, "\u{1f469}\u{1f469}"],
  ["a\u{1f469}\u{1f469}", 2, "a\u{1f469}"],
  ["\u{1f469}bc", 2, "\u{1f469}b"],
])("of %j, the first %d characters are %j", (text, count, first) => {
  expect(firstCharacters(text, count)).toBe(first);
});

test("any text is cut at a code point and stays well formed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.nat(20), (text, count) => {
      const first = firstCharacters(text, count);
      expect(first).toBe([...text].slice(0, count).join(""));
      expect(first.isWellFormed()).toBe(true);
    }),
  );
});
