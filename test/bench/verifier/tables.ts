import type { Machine } from "../machine.ts";
import { quantileOf, spreadOf } from "../spread.ts";
import { type Cells, digits, textTable } from "../table.ts";
import type { MillionReport } from "./million.ts";
import type { PropagationReport } from "./propagation.ts";
import type { Memory } from "./site.ts";
import type { Verifying, VerifyingReport } from "./verifying.ts";
import type { WatchersReport } from "./watchers.ts";

/** All that a run found. */
export interface VerifierReport {
  readonly machine: Machine;
  readonly verifying: VerifyingReport;
  readonly propagation: PropagationReport;
  readonly watchers: WatchersReport;
  readonly million: MillionReport;
}

/** What a person is shown at a terminal. */
export function textOf({ machine, verifying, propagation, watchers, million }: VerifierReport): string {
  const sections: readonly (readonly [string, Cells])[] = [
    ["Tokens that were verified before, one after another", verifyingCells(verifying.warm, "jose")],
    [
      `${verifying.coldTokens} tokens, each for the first time`,
      verifyingCells(verifying.cold, "crypto.verify"),
    ],
    [
      "From the answer of Revoke, in milliseconds",
      [
        ["", "times", "p50", "p99", "max"],
        timeRow("until two verifiers refuse", propagation.tookMs),
        timeRow(`to each of ${watchers.watchers} watchers`, watchers.tookMs),
        timeRow(`to all of ${watchers.watchers} watchers`, watchers.allTookMs),
      ],
    ],
    [
      `Memory in MiB; ${million.revocations} revocations`,
      [
        ["", "RSS before", "after", "used before", "after", "bytes each: RSS", "used"],
        memoryRow(`server, ${watchers.watchers} watchers`, watchers.server, watchers.watchers),
        memoryRow("server, revocations", million.server, million.revocations),
        memoryRow("verifier, revocations", million.verifier, million.revocations),
      ],
    ],
  ];
  const facts = [
    `a verifier was in step with ${million.revocations} revocations after ${digits(million.verifier.tookMs)} ms`,
    `the server needed ${digits(watchers.serverUs)} µs of processor for an entry and a watcher, of ${watchers.watchers}`,
    `the server took them in batches within ${digits(million.appendedMs / 1_000)} s`,
    `${machine.cpu}, ${machine.cores} cores for everything together; Node ${machine.node}, Postgres ${machine.postgres}`,
    `commit ${machine.commit}, ${machine.date}, load before it ${machine.load}`,
  ];
  const tables = sections.map(([title, cells]) => `${title}\n\n${textTable(cells)}`);
  return `${[...tables, facts.join("\n")].join("\n\n")}\n`;
}

function verifyingCells(all: readonly Verifying[], base: string): Cells {
  const speed = ({ rounds }: Verifying) => spreadOf(rounds.map(({ perSecond }) => perSecond)).median;
  const cost = ({ rounds }: Verifying) => spreadOf(rounds.map(({ cpuUs }) => cpuUs)).median;
  const other = spreadOf(all.filter(({ name }) => name === base).map(cost)).median;
  return [
    ["", "a second", "µs of processor", `÷ ${base}`, `${base} ÷ it`],
    ...all.map((one) => [
      one.name,
      digits(speed(one)),
      digits(cost(one)),
      digits(cost(one) / other),
      digits(other / cost(one)),
    ]),
  ];
}

function timeRow(name: string, tookMs: readonly number[]): string[] {
  const sorted = tookMs.toSorted((a, b) => a - b);
  return [name, String(sorted.length), ...[0.5, 0.99, 1].map((share) => digits(quantileOf(sorted, share)))];
}

function memoryRow(
  name: string,
  { before, after }: { before: Memory; after: Memory },
  count: number,
): string[] {
  const mib = (bytes: number) => digits(bytes / 2 ** 20);
  const each = (kind: keyof Memory) => digits((after[kind] - before[kind]) / count);
  return [name, ...[before.rss, after.rss, before.used, after.used].map(mib), ...[each("rss"), each("used")]];
}
