import { expect, test } from "vitest";
import { createPublicCalls, type PublicCalls } from "./public-calls.ts";

/** How many of so many calls on one connection get a slot. */
function reserve(calls: PublicCalls, connection: object, count: number): number {
  return Array.from({ length: count }, () => calls.reserve(connection)).filter(Boolean).length;
}

test("one connection without a credential gets half of the slots, and others still get a few each", () => {
  const calls = createPublicCalls(100);
  expect(reserve(calls, {}, 128)).toBe(50);
  expect(reserve(calls, {}, 128)).toBe(4);
  expect(reserve(calls, {}, 128)).toBe(4);
});

test("no more calls are open than there are slots, whatever the number of connections", () => {
  const calls = createPublicCalls(100);
  const open = Array.from({ length: 1_000 }, () => reserve(calls, {}, 1)).reduce((sum, one) => sum + one);
  expect(open).toBe(100);
});

test("a call that ends gives its slot back, once", () => {
  const calls = createPublicCalls(4);
  const [one, other] = [{}, {}];
  const release = calls.reserve(one);
  expect(reserve(calls, other, 8)).toBe(3);
  release?.();
  release?.();
  expect(reserve(calls, one, 8)).toBe(1);
});

test("an accepted credential frees the slots of its connection, and it needs none from then on", () => {
  const calls = createPublicCalls(4);
  const known = {};
  const release = calls.reserve(known);
  expect(reserve(calls, known, 8)).toBe(3);
  calls.trust(known);
  expect(reserve(calls, known, 128)).toBe(128);
  release?.();
  calls.trust(known);
  expect(reserve(calls, {}, 8)).toBe(4);
});

test("no more refusals wait for their clients than there are slots", () => {
  const calls = createPublicCalls(2);
  const release = calls.reserveRefusal();
  expect(calls.reserveRefusal()).toBeDefined();
  expect(calls.reserveRefusal()).toBeUndefined();
  release?.();
  expect(calls.reserveRefusal()).toBeDefined();
});
