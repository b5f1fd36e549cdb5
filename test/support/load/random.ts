/** Randomness that its seed repeats. */
export interface Random {
  /** A whole number of at least 0, below `limit`. */
  below(limit: number): number;
  /** One of the items; undefined if there is none. */
  pick<T>(items: readonly T[]): T | undefined;
}

/** @param seed a whole number of 32 bits; the streams of neighbouring seeds have nothing in common */
export function createRandom(seed: number): Random {
  // Marsaglia's xorshift, which must not start at 0, behind a few rounds that part neighbouring seeds.
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
  function next(): number {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  }
  for (let round = 0; round < 16; round++) next();
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, pick: (items) => items[below(items.length)] };
}
