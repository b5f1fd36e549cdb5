/** The two-sample test of Kolmogorov and Smirnov: how far the distributions of two samples lie apart. */
export interface TwoSamples {
  /** The greatest distance between their distribution functions, 0 to 1. */
  readonly distance: number;
  /** Samples of one distribution are further apart with at most the given probability. */
  readonly bound: number;
}

/** @param falseAlarm the probability that samples of one distribution are further apart than `bound` */
export function compareSamples(a: readonly number[], b: readonly number[], falseAlarm: number): TwoSamples {
  const [left, right] = [a, b].map((sample) => [...sample].sort((x, y) => x - y)) as [number[], number[]];
  let [i, j, distance] = [0, 0, 0];
  while (i < left.length && j < right.length) {
    const at = Math.min(left[i] ?? 0, right[j] ?? 0);
    while (left[i] === at) i += 1;
    while (right[j] === at) j += 1;
    distance = Math.max(distance, Math.abs(i / left.length - j / right.length));
  }
  const bound = Math.sqrt((-Math.log(falseAlarm / 2) / 2) * (1 / a.length + 1 / b.length));
  return { distance, bound };
}

/** The value below which that share of a sample lies. */
export function quantile(sample: readonly number[], share: number): number {
  const sorted = [...sample].sort((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** The smallest difference, added to every value of a copy, that distinguishes the copy from its sample. */
export function resolution(sample: readonly number[], falseAlarm: number): number {
  let [seen, unseen] = [quantile(sample, 1) - quantile(sample, 0) + 1, 0];
  for (let step = 0; step < 40; step++) {
    const middle = (seen + unseen) / 2;
    const shifted = sample.map((value) => value + middle);
    const { distance, bound } = compareSamples(sample, shifted, falseAlarm);
    if (distance > bound) seen = middle;
    else unseen = middle;
  }
  return seen;
}
