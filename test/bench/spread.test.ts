import { expect, test } from "vitest";
import { quantileOf, spreadOf } from "./spread.ts";

test("the median is the value in the middle, or between the two", () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  expect(spreadOf([7])).toEqual({ median: 7, min: 7, max: 7 });
  expect(() => spreadOf([])).toThrow(RangeError);
});

test("a quantile is a value that its share is not above", () => {
  const values = Array.from({ length: 200 }, (_, index) => index + 1);
  expect(quantileOf(values, 0.5)).toBe(100);
  expect(quantileOf(values, 0.99)).toBe(198);
  expect(quantileOf(values, 1)).toBe(200);
  expect(() => quantileOf([], 0.5)).toThrow(RangeError);
});
