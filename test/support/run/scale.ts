const full = 1;
const usual = 0.1;

/** The factor on the counts of long and random tests: `TEST_SCALE`, which `make test-full` sets to 1. */
export const scale: number = parseScale(process.env["TEST_SCALE"]);

function parseScale(text: string | undefined): number {
  if (text === undefined || text === "") return usual;
  const value = Number(text);
  if (value > 0 && value <= full) return value;
  throw new RangeError(`TEST_SCALE must be a number above 0 and at most ${full}`);
}

/**
 * How many rounds, operations or tokens a test uses in this run.
 *
 * Every kind of fault, race and planted bug runs at every scale; only counts shrink. `n` rounds without a fault bound
 * its rate below 3/n (95 % confidence).
 *
 * @param count the count at scale 1
 * @param atLeast the smallest count that still finds the test's planted bug in 99.9 % of runs
 */
export function scaled(count: number, { atLeast }: { readonly atLeast: number }): number {
  return Math.min(count, Math.max(atLeast, Math.round(count * scale)));
}
