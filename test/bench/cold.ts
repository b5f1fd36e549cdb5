import { openHttpConnection } from "../support/load/http-connection.ts";
import { type Case, loadOf, targetOf } from "./cases.ts";
import { cpuMs } from "./cpu.ts";
import { callAll } from "./generators/grpc.ts";
import type { Load } from "./generators/load.ts";
import { allOk } from "./measure.ts";
import type { System } from "./system.ts";

/** The first calls of a process that was just started, one after another over one connection. */
export interface ColdRound {
  /** Milliseconds from the first call, with its connection, to its answer. */
  readonly firstMs: number;
  /** Milliseconds of processor time of the server for 1,000 calls such as these first ones. */
  readonly serverMs: number;
}

/** How many count as the first. */
export const coldCalls = 50;

/** @throws {Error} where a call was not answered as it should be */
export async function measureCold(one: Case, system: System): Promise<ColdRound> {
  const plan = await one.method.plan(system, coldCalls);
  await using server = await system.startAnother();
  const load = loadOf(one, targetOf(one, server.urls, system.credential), plan, coldCalls);
  const round = await allOk(one.method, server, coldCalls, async () => {
    const before = cpuMs(server.pid);
    const tookMs = await inTurn(one, load);
    return { firstMs: tookMs[0] ?? Number.NaN, serverMs: ((cpuMs(server.pid) - before) * 1_000) / coldCalls };
  });
  await plan.check(one.protocol, coldCalls);
  return round;
}

async function inTurn({ protocol }: Case, load: Load): Promise<number[]> {
  if (protocol === "gRPC") return callAll(load, { connections: 1, streams: 1 });
  const { hostname: host, port } = new URL(load.url);
  const startMs = performance.now();
  const connection = openHttpConnection({ host, port: Number(port) });
  try {
    const tookMs: number[] = [];
    for (let call = 0, fromMs = startMs; call < load.calls; call++, fromMs = performance.now()) {
      const request = load.requests[call % load.requests.length] ?? Buffer.alloc(0);
      const { status } = await connection.exchange(request.toString("latin1"));
      if (status !== 200) throw new Error(`a call was answered ${status}`);
      tookMs.push(performance.now() - fromMs);
    }
    return tookMs;
  } finally {
    connection.destroy();
  }
}
