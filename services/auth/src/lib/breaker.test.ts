import { beforeEach, expect, test } from "vitest";
import { type Breaker, createBreaker } from "./breaker.ts";

let now = 0;
let breaker: Breaker;
beforeEach(() => {
  now = 0;
  breaker = createBreaker({ failures: 2, cooldownMs: 1_000, nowMs: () => now });
});

test("one failure leaves it closed, two in a row open it, a success between them starts again", () => {
  expect(breaker.recordFailure()).toBe(false);
  breaker.recordSuccess();
  expect(breaker.recordFailure()).toBe(false);
  expect(breaker.allows()).toBe(true);
  expect(breaker.recordFailure()).toBe(true);
  expect(breaker.isOpen).toBe(true);
  expect(breaker.allows()).toBe(false);
});

test("after a rest one call is let through, and its answer closes it", () => {
  breaker.open();
  now = 999;
  expect(breaker.allows()).toBe(false);
  now = 1_000;
  expect(breaker.allows()).toBe(true);
  expect(breaker.allows()).toBe(false);
  breaker.recordSuccess();
  expect(breaker.isOpen).toBe(false);
  expect(breaker.allows()).toBe(true);
});

test("a single silence of the one let through opens it again", () => {
  breaker.open();
  now = 1_000;
  expect(breaker.allows()).toBe(true);
  expect(breaker.recordFailure()).toBe(true);
  now = 1_999;
  expect(breaker.allows()).toBe(false);
  now = 2_000;
  expect(breaker.allows()).toBe(true);
});
