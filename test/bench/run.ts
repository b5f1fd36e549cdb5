import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { startLocal } from "../support/postgres/postgres-local.ts";
import { type RedisServer, startRedis } from "../support/redis/redis.ts";
import { answerByGrpc, answerByHttp } from "./answers.ts";
import { type BareRound, bareNames, openBare } from "./bare.ts";
import { type Case, cases, targetOf } from "./cases.ts";
import { type ColdRound, measureCold } from "./cold.ts";
import { inFlight } from "./generators/load.ts";
import { type ListeningProcess, startListening } from "./listening-process.ts";
import { describeMachine } from "./machine.ts";
import { measure, measureBare, type Round } from "./measure.ts";
import type { Options } from "./options.ts";
import { createPace } from "./pace.ts";
import type { Report } from "./report.ts";
import { openSystem, type System } from "./system.ts";

/** Bare work varies little, so a shorter round is enough. */
const bareShare = 1 / 3;

/**
 * Measures every case, in rounds that take turns.
 * @param tell receives the progress
 */
export async function runBench(options: Options, tell: (line: string) => void): Promise<Report> {
  const { seconds, rounds, people } = options;
  await using owned = new AsyncDisposableStack();
  const folder = await mkdtemp(`${tmpdir()}/postern-bench-`);
  owned.defer(() => rm(folder, { recursive: true }));
  tell("starting Postgres and the servers");
  const postgres = owned.use(await startLocal({}));
  const machine = await describeMachine(postgres.url);
  const open = async (redis: RedisServer | undefined) =>
    owned.use(await openSystem({ postgres, redis, people, logFile: `${folder}/server.log` }));
  const system = await open(undefined);
  const withRedis = options.redis ? await open(owned.use(await startRedis())) : undefined;
  const bareServer = owned.use(await startBareServer(system, folder));
  const bareWork = owned.use(await openBare(postgres));

  const pace = createPace(tell);
  const wanted = cases.filter(({ name }) => name.toLowerCase().includes(options.only.toLowerCase()));
  const found = wanted.map((one) => ({
    one,
    rounds: [] as Round[],
    bare: [] as Round[],
    withRedis: [] as Round[],
    cold: [] as ColdRound[],
  }));
  const bareRounds = bareNames.map((name) => ({ name, rounds: [] as BareRound[] }));

  async function measureAll({ one, ...into }: (typeof found)[number]): Promise<void> {
    const { name, method } = one;
    const { firstCalls } = method;
    const length = { seconds, firstCalls };
    const plan = await method.plan(system, 1);
    into.rounds.push(await pace.fill(name, length, (calls) => measure(one, system, calls)));
    into.bare.push(
      await pace.fill(`${name}, bare`, { seconds: seconds * bareShare, firstCalls }, (calls) =>
        measureBare(one, bareServer, { credential: system.credential, plan, calls }),
      ),
    );
    if (withRedis === undefined) return;
    const what = `${name}, with Redis`;
    into.withRedis.push(await pace.fill(what, length, (calls) => measure(one, withRedis, calls)));
  }
  for (let round = 1; round <= rounds; round++) {
    tell(`round ${round} of ${rounds}`);
    for (const track of found) await measureAll(track);
    for (const { name, rounds: into } of bareRounds) {
      into.push(await pace.attempt(`bare ${name}`, () => bareWork[name](seconds * bareShare)));
    }
  }
  for (let round = 1; options.cold && round <= rounds; round++) {
    tell(`round ${round} of ${rounds}, cold`);
    for (const { one, cold } of found) {
      cold.push(await pace.attempt(`${one.name}, cold`, () => measureCold(one, system)));
    }
  }
  return {
    machine,
    seconds,
    inFlight,
    discarded: pace.discarded,
    cases: found.map(({ one: { name, generator, method }, ...measured }) => ({
      name,
      generator: generator.name,
      contains: method.contains,
      ...measured,
    })),
    bareWork: bareRounds,
  };
}

/** Starts the bare server with what the server answers to one call of each case. */
async function startBareServer(system: System, folder: string): Promise<ListeningProcess<"http" | "grpc">> {
  async function answerTo(one: Case) {
    const { json, grpc } = await one.method.plan(system, 1);
    const target = targetOf(one, system.server.urls, system.credential);
    return one.protocol === "gRPC"
      ? answerByGrpc(target, grpc[0] ?? Buffer.alloc(0))
      : answerByHttp(target, json[0]);
  }
  const file = `${folder}/answers.json`;
  await writeFile(file, JSON.stringify(await Promise.all(cases.map(answerTo))), { mode: 0o600 });
  return startListening({
    args: [`${import.meta.dirname}/bare-server.ts`, file],
    env: {},
    logFile: `${folder}/bare-server.log`,
    names: ["http", "grpc"],
  });
}
