import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { inFlight, type Load, type Seen } from "./load.ts";

const script = `${import.meta.dirname}/wrk.lua`;
/** One that has not had its answers by then is given up. */
const patienceSeconds = 120;

/** HTTP/1.1 by wrk, each call with the next request of the list. */
export async function wrk({ url, requests, calls }: Load): Promise<Seen> {
  const folder = await mkdtemp(`${tmpdir()}/postern-bench-`);
  try {
    const file = `${folder}/requests`;
    const pieces = requests.flatMap((request) => [Buffer.from(`${request.length}\n`), request]);
    await writeFile(file, Buffer.concat(pieces), { mode: 0o600 });
    const connections = Math.min(inFlight, calls);
    const result = await run([
      ...["-t", "1", "-c", `${connections}`, "-d", `${patienceSeconds}s`, "--timeout", "30s", "-s", script],
      ...[url, "--", file, `${calls}`, `${connections}`],
    ]);
    if (result.calls !== calls || result.faults > 0) {
      throw new Error(`wrk made ${result.calls} of ${calls} calls, ${result.faults} of them failed`);
    }
    return result;
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Told extends Seen {
  readonly calls: number;
  readonly faults: number;
}

async function run(args: readonly string[]): Promise<Told> {
  const child = spawn("wrk", args, { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  let result: Told | undefined;
  let interrupting: NodeJS.Timeout | undefined;
  createInterface(child.stdout).on("line", (line) => {
    // wrk sleeps until its time is up, or a signal comes after it has begun to sleep.
    if (line === "parked") interrupting = setInterval(() => child.kill("SIGINT"), 10);
    if (line.startsWith("{")) result = JSON.parse(line);
  });
  const [code] = await closed.finally(() => clearInterval(interrupting));
  if (result === undefined) throw new Error(`wrk ended with ${code} and result nothing`);
  return result;
}
