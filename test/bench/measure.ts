import { readMetrics } from "../support/servers/metrics.ts";
import { type Case, loadOf, targetOf } from "./cases.ts";
import { cpuMs } from "./cpu.ts";
import type { Seen } from "./generators/load.ts";
import type { Method, Plan } from "./methods.ts";
import type { Server } from "./server.ts";
import type { System } from "./system.ts";

/** One round of a case. */
export interface Round {
  readonly calls: number;
  /** Milliseconds of processor time for 1,000 calls. */
  readonly serverMs: number;
  readonly postgresMs: number;
  readonly redisMs: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Makes the given number of calls to a server and returns their cost.
 * @throws {Error} where one of them was not answered as it should be
 */
export async function measure(one: Case, system: System, calls: number): Promise<Round> {
  const { method, protocol } = one;
  const { server, credential } = system;
  const plan = await method.plan(system, calls);
  const load = loadOf(one, targetOf(one, server.urls, credential), plan, calls);
  const seen = await allOk(method, server, calls, async () => {
    const before = system.cpu();
    const seen = await one.generator.send(load);
    const after = system.cpu();
    const per1000 = (name: keyof typeof after) => ((after[name] - before[name]) * 1_000) / calls;
    return {
      ...figuresOf(seen, calls),
      serverMs: per1000("server"),
      postgresMs: per1000("postgres"),
      redisMs: per1000("redis"),
    };
  });
  await plan.check(protocol, calls);
  return seen;
}

/** The same of a bare server: it answers the same bytes, and there is nothing behind it. */
export async function measureBare(
  one: Case,
  server: { readonly pid: number; readonly urls: Readonly<Record<"http" | "grpc", string>> },
  { credential, plan, calls }: { credential: string; plan: Plan; calls: number },
): Promise<Round> {
  const load = loadOf(one, targetOf(one, server.urls, credential), plan, calls);
  const before = cpuMs(server.pid);
  const seen = await one.generator.send(load);
  const serverMs = ((cpuMs(server.pid) - before) * 1_000) / calls;
  return { ...figuresOf(seen, calls), serverMs, postgresMs: 0, redisMs: 0 };
}

/**
 * Runs calls of a method, and checks with the server's own counts that each of them, and no other, was answered `ok`.
 * @throws {Error} if the counts differ
 */
export async function allOk<T>(
  { rpc, path }: Method,
  { urls }: { readonly urls: Pick<Server["urls"], "ops"> },
  calls: number,
  run: () => Promise<T>,
): Promise<T> {
  if (rpc === undefined) return run();
  const before = await readMetrics(urls.ops);
  const result = await run();
  const after = await readMetrics(urls.ops);
  const counted = [...after].filter(([name]) =>
    name.startsWith(`postern_rpc_calls_total{method="${path.slice(1)}"`),
  );
  const more = counted
    .map(([name, count]) => [/outcome="(.*)"/.exec(name)?.[1], count - (before.get(name) ?? 0)] as const)
    .filter(([, count]) => count > 0);
  if (more.length !== 1 || more[0]?.[0] !== "ok" || more[0][1] !== calls) {
    throw new Error(
      `${calls} calls of ${path} were to be ok, but the server counted ${JSON.stringify(more)}`,
    );
  }
  return result;
}

function figuresOf({ seconds, p50Ms, p99Ms }: Seen, calls: number) {
  return { calls, perSecond: calls / seconds, p50Ms, p99Ms };
}
