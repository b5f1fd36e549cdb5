import type { BareName, BareRound } from "./bare.ts";
import type { ColdRound } from "./cold.ts";
import type { Machine } from "./machine.ts";
import type { Round } from "./measure.ts";
import { type Spread, spreadOf } from "./spread.ts";

/** One case, in all its rounds. */
export interface CaseReport {
  /** Such as `Refresh JSON`. */
  readonly name: string;
  readonly generator: string;
  readonly contains: readonly BareName[];
  readonly rounds: readonly Round[];
  /** Of the bare server that answers the same bytes. */
  readonly bare: readonly Round[];
  /** Of the server with Redis; none if it was left out. */
  readonly withRedis: readonly Round[];
  readonly cold: readonly ColdRound[];
}

/** All that a run found: `bench.json`. */
export interface Report {
  readonly machine: Machine;
  readonly seconds: number;
  readonly inFlight: number;
  readonly cases: readonly CaseReport[];
  readonly bareWork: readonly { readonly name: BareName; readonly rounds: readonly BareRound[] }[];
  /** Rounds that were thrown away and made again, each with the reason. */
  readonly discarded: readonly string[];
}

/** Median and range of one figure over the rounds. */
export function over<R>(rounds: readonly R[], figure: (round: R) => number): Spread {
  return spreadOf(rounds.map(figure));
}

/** The processor time, in milliseconds for 1,000 calls, that even a bare server would spend on them. */
export function floorOf({ bare, contains }: CaseReport, bareWork: Report["bareWork"]) {
  const work = bareWork.filter(({ name }) => contains.includes(name));
  const sum = (figure: (round: BareRound) => number) =>
    work.reduce((total, { rounds }) => total + over(rounds, figure).median, 0);
  return {
    http: over(bare, ({ serverMs }) => serverMs).median,
    work: sum(({ cpuMs }) => cpuMs),
    postgres: sum(({ postgresMs }) => postgresMs),
  };
}
