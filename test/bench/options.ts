import { parseArgs } from "node:util";

/** Options of a run of the benchmark. */
export interface Options {
  /** How long each round of a case is to take. */
  readonly seconds: number;
  /** How often each case is measured, in turn with the others. */
  readonly rounds: number;
  /** Only cases with this in their name, such as `Refresh JSON`; all by default. */
  readonly only: string;
  /** Whether to measure with Redis as well. */
  readonly redis: boolean;
  /** Whether to measure the first calls of a process as well. */
  readonly cold: boolean;
  /** How many users have sessions, and how many others log in. */
  readonly people: number;
  /** The folder of `bench.json` and `bench.svg`. */
  readonly out: string;
  /** Whether to write the figures into `docs/benchmarks.md`. */
  readonly docs: boolean;
}

export const usage = `usage: make bench [BENCH="<options>"]
  --seconds <n>   how long each round of a case takes (3)
  --rounds <n>    how often each case is measured (3)
  --only <text>   only cases with this in their name, such as "Refresh JSON"
  --no-redis      without the second server, which uses Redis
  --no-cold       without the first calls of a process
  --people <n>    how many users have sessions, and how many others log in (1000)
  --out <folder>  where bench.json and bench.svg go (.bench)
  --docs          write the figures into docs/benchmarks.md
`;

/** @throws {TypeError} that says what is wrong with the arguments */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "3" },
      only: { type: "string", default: "" },
      redis: { type: "boolean", default: true },
      cold: { type: "boolean", default: true },
      people: { type: "string", default: "1000" },
      out: { type: "string", default: ".bench" },
      docs: { type: "boolean", default: false },
    },
    allowNegative: true,
  });
  const { only, redis, cold, out, docs } = values;
  const [rounds, people] = [wholeOf(values.rounds, 100), wholeOf(values.people, 100_000)];
  return { seconds: numberOf(values.seconds, 60), rounds, only, redis, cold, people, out, docs };
}

function wholeOf(text: string, most: number): number {
  const number = numberOf(text, most);
  if (!Number.isInteger(number)) throw new TypeError(`${text} is not a whole number`);
  return number;
}

function numberOf(text: string, most: number): number {
  const number = Number(text);
  if (!(number > 0 && number <= most))
    throw new TypeError(`${text} is not a number above 0 and up to ${most}`);
  return number;
}
