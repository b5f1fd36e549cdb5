import fc from "fast-check";
import { expect, test } from "vitest";
import { SettingError } from "../error.ts";
import { parseSpan } from "./span.ts";

const parse = parseSpan("0s", "3650d");

test.each([
  ["500ms", 500],
  ["1s", 1_000],
  ["5m", 300_000],
  ["2h", 7_200_000],
  ["30d", 2_592_000_000],
  ["0s", 0],
  ["0", 0],
])("%s is %d ms", (text, expected) => {
  expect(parse(text)).toBe(expected);
});

test.each([
  "",
  "5",
  "m",
  "5 m",
  " 5m",
  "5m ",
  "5M",
  "1.5h",
  "-5m",
  "+5m",
  "1h30m",
  "05m",
  "5min",
  "5w",
  "1e3s",
  "٥m",
])("O14: %j is refused", (text) => {
  expect(() => parse(text)).toThrow(SettingError);
});

test("bounds are inclusive", () => {
  const bounded = parseSpan("1s", "1h");
  expect([bounded("1s"), bounded("1000ms"), bounded("60m"), bounded("1h")]).toEqual([1e3, 1e3, 36e5, 36e5]);
  for (const text of ["0", "0s", "999ms", "61m", "3600001ms"])
    expect(() => bounded(text)).toThrow(SettingError);
});

test("any whole number with a unit within the bounds is its product", () => {
  const units = fc.constantFrom(["ms", 1], ["s", 1e3], ["m", 6e4], ["h", 36e5], ["d", 864e5] as const);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3650 }), units, (number, [unit, ms]) => {
      expect(parse(`${number}${unit}`)).toBe(number * Number(ms));
    }),
  );
});

test("any other text is refused", () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !/^[0-9]+(ms|s|m|h|d)$/.test(text) && text !== "0"),
      (text) => {
        expect(() => parse(text)).toThrow(SettingError);
      },
    ),
  );
});
