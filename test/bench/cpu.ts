import { readFileSync } from "node:fs";
import { childrenOf } from "../support/postgres/postgres-processes.ts";

/** Linux reports processes' times in this unit, independent of the kernel's own. */
const ticksPerSecond = 100;

/** Milliseconds of processor time that a process has had so far, by user and system, in all its threads. */
export function cpuMs(pid: number): number {
  const { own } = timesOf(pid);
  return own;
}

/** The same of a Postgres: the postmaster, all that it has started, and what of that has ended. */
export function clusterCpuMs(postmaster: number): number {
  const { own, ended } = timesOf(postmaster);
  const living = childrenOf(postmaster).map((pid) => {
    try {
      return cpuMs(pid);
    } catch {
      // It has just ended; the postmaster's times include it next time.
      return 0;
    }
  });
  return living.reduce((sum, ms) => sum + ms, own + ended);
}

function timesOf(pid: number): { own: number; ended: number } {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // From the state on; the name before it may hold anything. See proc(5): utime, stime, cutime, cstime.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const at = (number: number) => (Number(fields[number - 3]) * 1_000) / ticksPerSecond;
  return { own: at(14) + at(15), ended: at(16) + at(17) };
}
