import { beforeEach, expect, test } from "vitest";
import { createElapsedClock, type ElapsedClock } from "./elapsed-clock.ts";

let monotonicMs: number;
let wallMs: number;
let clock: ElapsedClock;

beforeEach(() => {
  monotonicMs = 1_000;
  wallMs = 1_790_000_000_000;
  clock = createElapsedClock({ monotonicMs: () => monotonicMs, wallMs: () => wallMs });
});

function pass(ms: number, byWallMs = ms): number {
  const before = clock.nowMs();
  monotonicMs += ms;
  wallMs += byWallMs;
  return clock.nowMs() - before;
}

test("elapsed time is that of both clocks, if they agree", () => {
  expect([pass(10), pass(2_000), pass(0)]).toEqual([10, 2_000, 0]);
  expect(clock.jumpedMs).toBe(0);
});

test("time while the machine is suspended counts, although the monotonic clock stops", () => {
  expect(pass(0, 3_600_000)).toBe(3_600_000);
  expect(clock.jumpedMs).toBe(3_600_000);
  expect(pass(2_000)).toBe(2_000);
});

test("a wall clock that is set back subtracts no time", () => {
  expect(pass(2_000, -3_600_000)).toBe(2_000);
  expect(clock.jumpedMs).toBe(0);
});

test("a suspension counts completely, also after the wall clock was set back", () => {
  pass(0, -3_600_000);
  expect(pass(0, 3_600_000)).toBe(3_600_000);
});

test("rounding differences of the two clocks do not accumulate", () => {
  const before = clock.nowMs();
  for (let round = 0; round < 10_000; round += 1) {
    monotonicMs += 0.1;
    wallMs = 1_790_000_000_000 + Math.round(monotonicMs - 1_000);
    clock.nowMs();
  }
  expect(clock.nowMs() - before).toBeCloseTo(1_000);
});

test("many short suspensions count in total, minus at most half a second", () => {
  const before = clock.nowMs();
  for (let round = 0; round < 100; round += 1) pass(0, 100);
  expect(clock.nowMs() - before).toBeGreaterThanOrEqual(9_500);
});
