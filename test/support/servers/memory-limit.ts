import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";

/** A control group of Linux whose processes together may have so much memory. */
export interface MemoryLimit extends Disposable {
  /** Words of a command that runs what follows them within the limit. */
  readonly under: readonly string[];
  /** How many of them were killed for having too much. */
  kills(): number;
}

const versions = {
  1: { root: "/sys/fs/cgroup/memory", max: "memory.limit_in_bytes", events: "memory.oom_control" },
  2: { root: "/sys/fs/cgroup", max: "memory.max", events: "memory.events" },
} as const;

/** @returns `undefined` where we may make none */
export function limitMemory(bytes: number): MemoryLimit | undefined {
  const { root, max, events } = versions[existsSync("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1];
  const folder = `${root}/postern-${randomBytes(6).toString("hex")}`;
  try {
    mkdirSync(folder);
  } catch {
    return undefined;
  }
  const dispose = () => rmdirSync(folder);
  const kills = () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(`${folder}/${events}`, "utf8"))?.[1]);
  try {
    writeFileSync(`${folder}/${max}`, String(bytes));
    kills();
  } catch {
    dispose();
    return undefined;
  }
  return {
    under: ["sh", "-c", `echo $$ > ${folder}/cgroup.procs && exec "$@"`, "sh"],
    kills,
    [Symbol.dispose]: dispose,
  };
}
