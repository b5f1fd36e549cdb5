import { expect, test } from "vitest";
import { createRandom } from "./support/load/random.ts";
import { compareSamples, quantile, resolution } from "./support/two-samples.ts";

/** Numbers from 0 to 1 that are the same at every run. */
function randomly(seed: number): () => number {
  const random = createRandom(seed);
  return () => random.below(2 ** 24) / 2 ** 24;
}

test("the distance is the greatest between the distribution functions", () => {
  expect(compareSamples([1, 2, 3, 4], [1, 2, 3, 4], 0.1).distance).toBe(0);
  expect(compareSamples([1, 2], [3, 4], 0.1).distance).toBe(1);
  expect(compareSamples([1, 2, 3, 4], [3, 4, 5, 6], 0.1).distance).toBe(0.5);
  expect(compareSamples([1, 1, 1, 2], [1, 2, 2, 2, 2, 2, 2, 2], 0.1).distance).toBe(0.625);
});

test("samples of one distribution are further apart than the bound about as often as it says", () => {
  const random = randomly(1);
  const draw = () => Array.from({ length: 200 }, random);
  let alarms = 0;
  for (let run = 0; run < 2_000; run++) {
    const { distance, bound } = compareSamples(draw(), draw(), 0.05);
    if (distance > bound) alarms += 1;
  }
  // The bound is an asymptotic one, from the safe side.
  expect(alarms).toBeGreaterThan(20);
  expect(alarms).toBeLessThanOrEqual(120);
});

test("a difference in place or in spread is seen", () => {
  const random = randomly(2);
  const draw = (scale: number, shift: number) => Array.from({ length: 300 }, () => random() * scale + shift);
  for (const other of [draw(1, 0.3), draw(2, -0.5)]) {
    const { distance, bound } = compareSamples(draw(1, 0), other, 1e-6);
    expect(distance).toBeGreaterThan(bound);
  }
});

test("the resolution is the smallest shift that is seen", () => {
  const sample = Array.from({ length: 300 }, (_, index) => index / 300);
  const found = resolution(sample, 1e-6);
  const { bound } = compareSamples(sample, sample, 1e-6);
  expect(found).toBeGreaterThan(bound - 0.01);
  expect(found).toBeLessThan(bound + 0.01);
  expect(quantile(sample, 0.5)).toBe(0.5);
});
