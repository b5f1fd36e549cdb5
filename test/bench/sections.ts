import { groupSize } from "./bare.ts";
import { coldCalls } from "./cold.ts";
import type { Round } from "./measure.ts";
import { type CaseReport, floorOf, over, type Report } from "./report.ts";
import type { Spread } from "./spread.ts";
import { type Cells, digits } from "./table.ts";

/** A table with what it says. */
export interface Section {
  readonly title: string;
  readonly cells: Cells;
}

/** What a run found, the most telling first. */
export function sectionsOf(report: Report): Section[] {
  const { cases } = report;
  const hasRedis = cases.some(({ withRedis }) => withRedis.length > 0);
  const hasCold = cases.some(({ cold }) => cold.length > 0);
  return [
    {
      title: "Processor time of 1,000 calls, in milliseconds",
      cells: [
        ["", "server", "its range", "Postgres", "bare HTTP", "bare work", "server ÷ bare", "bare Postgres"],
        ...cases.map((one) => cpuRow(one, report)),
      ],
    },
    {
      title: `Closed loop, ${report.inFlight} calls in flight`,
      cells: [
        ["", "calls/s", "p50 ms", "p99 ms", "bare calls/s", "bare p50 ms", "bare p99 ms", "by"],
        ...cases.map(({ name, rounds, bare, generator }) => [
          name,
          ...speedOf(rounds),
          ...speedOf(bare),
          generator,
        ]),
      ],
    },
    ...(hasRedis ? [redisSection(cases)] : []),
    ...(hasCold ? [coldSection(cases)] : []),
    {
      title: "Bare work: processor time of 1,000, in milliseconds",
      cells: [
        ["", "process", "Postgres", "a second"],
        ...report.bareWork.map(({ name, rounds }) => [
          bareTitles[name],
          digits(over(rounds, ({ cpuMs }) => cpuMs).median),
          digits(over(rounds, ({ postgresMs }) => postgresMs).median),
          digits(over(rounds, ({ calls, seconds }) => calls / seconds).median),
        ]),
      ],
    },
  ];
}

/** The machine and the run, each a line. */
export function factsOf({ machine, seconds, inFlight, cases, discarded }: Report): string[] {
  const { cpu, cores, memoryGiB, kernel, fileSystem, node, postgres, wrk, h2load } = machine;
  const rounds = cases[0]?.rounds.length ?? 0;
  return [
    `${cpu}, ${cores} cores for server, Postgres, Redis and generator together; ${memoryGiB} GiB; Linux ${kernel}`,
    `Node ${node}, Postgres ${postgres} with its defaults on ${fileSystem}, wrk ${wrk}, h2load ${h2load}`,
    `commit ${machine.commit}, ${machine.date}, load before it ${machine.load}`,
    `medians of ${rounds} rounds of ${seconds} s, taking turns; ${inFlight} calls in flight`,
    discarded.length === 0 ? "every call was answered `ok`" : `rounds made again: ${discarded.join("; ")}`,
  ];
}

const bareTitles = {
  sign: "sign ES256",
  verify: "verify ES256",
  argon2: "verify Argon2id",
  commit: "commit a row, 4 at once",
  "group commit": `commit a row, ${groupSize} in one, 2 at once`,
};

function redisSection(cases: Report["cases"]): Section {
  return {
    title: "With Redis: processor time of 1,000 calls in milliseconds, and the closed loop",
    cells: [
      ["", "server", "its range", "Postgres", "Redis", "calls/s", "p50 ms", "p99 ms"],
      ...cases.map(redisRow),
    ],
  };
}

function coldSection(cases: Report["cases"]): Section {
  return {
    title: `Cold: the first ${coldCalls} calls of a process, one after another`,
    cells: [["", "first call ms", "server, of 1,000 such", "÷ warm"], ...cases.map(coldRow)],
  };
}

function cpuRow(one: CaseReport, { bareWork }: Report): string[] {
  const server = over(one.rounds, ({ serverMs }) => serverMs);
  const floor = floorOf(one, bareWork);
  return [
    one.name,
    digits(server.median),
    rangeOf(server),
    digits(over(one.rounds, ({ postgresMs }) => postgresMs).median),
    digits(floor.http),
    digits(floor.work),
    digits(server.median / (floor.http + floor.work)),
    digits(floor.postgres),
  ];
}

function redisRow({ name, withRedis }: CaseReport): string[] {
  const server = over(withRedis, ({ serverMs }) => serverMs);
  return [
    name,
    digits(server.median),
    rangeOf(server),
    digits(over(withRedis, ({ postgresMs }) => postgresMs).median),
    digits(over(withRedis, ({ redisMs }) => redisMs).median),
    ...speedOf(withRedis),
  ];
}

function coldRow({ name, rounds, cold }: CaseReport): string[] {
  const server = over(cold, ({ serverMs }) => serverMs).median;
  const warm = over(rounds, ({ serverMs }) => serverMs).median;
  return [name, ...[over(cold, ({ firstMs }) => firstMs).median, server, server / warm].map(digits)];
}

function speedOf(rounds: readonly Round[]): string[] {
  const figures: ((round: Round) => number)[] = [
    ({ perSecond }) => perSecond,
    ({ p50Ms }) => p50Ms,
    ({ p99Ms }) => p99Ms,
  ];
  return figures.map((figure) => digits(over(rounds, figure).median));
}

function rangeOf({ min, max }: Spread): string {
  return `${digits(min)}–${digits(max)}`;
}
