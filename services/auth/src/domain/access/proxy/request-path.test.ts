import { afterEach, expect, test, vi } from "vitest";
import { readPath } from "./request-path.ts";

afterEach(() => vi.restoreAllMocks());

const marks = (count: number) => `/a${encodeURIComponent("\u0301\u0323".repeat(count / 2))}`;

test("a path with thousands of combining marks on one letter is refused before the slow normalization", () => {
  const normalized = vi.spyOn(String.prototype, "normalize");
  expect(readPath(marks(10_000))).toBeUndefined();
  expect(readPath(marks(32))).toBeUndefined();
  expect(normalized).not.toHaveBeenCalled();
});

test("a path with the maximum of combining marks on each letter is accepted", () => {
  expect(readPath(marks(30).repeat(3))?.[0]).toBe(marks(30).repeat(3));
});

test("L11: a path of more than 16 KiB is refused before it is read", () => {
  const normalized = vi.spyOn(String.prototype, "normalize");
  expect(readPath(`/${"a".repeat(16 * 1024)}`)).toBeUndefined();
  expect(normalized).not.toHaveBeenCalled();
  expect(readPath(`/${"a".repeat(16 * 1024 - 1)}`)).toBeDefined();
});
