/** The values of several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws {RangeError} if there are none */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const [min, max] = [quantileOf(sorted, 0), quantileOf(sorted, 1)];
  const middle = (sorted.length - 1) / 2;
  const pair = [Math.floor(middle), Math.ceil(middle)].map((index) => sorted[index] ?? Number.NaN);
  return { median: pair.reduce((sum, value) => sum + value / 2, 0), min, max };
}

/**
 * The value that this share of them, 0 to 1, is not above.
 * @param sorted ascending
 * @throws {RangeError} if there are none
 */
export function quantileOf(sorted: readonly number[], share: number): number {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new RangeError("no values, no quantile");
  return value;
}
