import { expect, test } from "vitest";
import { nearestName } from "./nearest-name.ts";

test.each([
  ["POSTERN_ISUER", "POSTERN_ISSUER"],
  ["POSTERN_AUDIENCE", "POSTERN_AUDIENCE"],
  ["POSTERN_WHATEVER", undefined],
])("%s is meant to be %s", (name, expected) => {
  expect(nearestName(name, ["POSTERN_ISSUER", "POSTERN_AUDIENCE"])).toBe(expected);
});

test("nothing is near where half of the word would have to change", () => {
  expect(nearestName("ab", ["cd", "xy"])).toBeUndefined();
});
