import { expect, test } from "vitest";
import { createStallClock } from "./stall-clock.ts";

const writer = (writableLength: number, writableEnded = false) => ({ writableLength, writableEnded });

test("a writer with nothing to write is not stalled", () => {
  const clock = createStallClock();
  const key = {};
  expect([0, 10, 1_000].map((ms) => clock.stalledMs(key, writer(0), ms))).toEqual([0, 0, 0]);
});

test("a writer counts as stalled since it last had nothing to write or made progress", () => {
  const clock = createStallClock();
  const key = {};
  expect(clock.stalledMs(key, writer(0), 0)).toBe(0);
  expect(clock.stalledMs(key, writer(500), 10)).toBe(10);
  expect(clock.stalledMs(key, writer(500), 30)).toBe(30);
  expect(clock.stalledMs(key, writer(400), 40)).toBe(0);
  expect(clock.stalledMs(key, writer(900), 70)).toBe(30);
  expect(clock.stalledMs(key, writer(0), 80)).toBe(0);
});

test("a complete response counts from the end of the writing, even if the client reads afterwards", () => {
  const clock = createStallClock();
  const key = {};
  clock.stalledMs(key, writer(500), 0);
  expect(clock.stalledMs(key, writer(500, true), 10)).toBe(0);
  expect(clock.stalledMs(key, writer(499, true), 20)).toBe(10);
  expect(clock.stalledMs(key, writer(0, true), 30)).toBe(20);
});

test("two writers are measured separately", () => {
  const clock = createStallClock();
  const [one, other] = [{}, {}];
  clock.stalledMs(one, writer(1), 0);
  expect(clock.stalledMs(other, writer(1), 50)).toBe(0);
  expect(clock.stalledMs(one, writer(1), 50)).toBe(50);
});
