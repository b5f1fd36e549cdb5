import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";

/** A control group of Linux whose processes together may have so much memory. */
export interface MemoryLimit extends Disposable {
  /** Words of a command that runs what follows them within the limit. */
  readonly under: readonly string[];
  /** The most that they have had at once, in bytes, with what the kernel keeps of files for them. */
  peakBytes(): number;
  /** How many of them were killed for having too much. */
  kills(): number;
}

const versions = {
  1: { root: "/sys/fs/cgroup/memory", max: "memory.limit_in_bytes", peak: "memory.max_usage_in_bytes" },
  2: { root: "/sys/fs/cgroup", max: "memory.max", peak: "memory.peak" },
} as const;

/** @returns `undefined` where we may make none */
export function limitMemory(bytes: number): MemoryLimit | undefined {
  const { root, max, peak } = versions[existsSync("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1];
  const folder = `${root}/postern-${randomBytes(6).toString("hex")}`;
  try {
    mkdirSync(folder);
  } catch {
    return undefined;
  }
  const dispose = () => rmdirSync(folder);
  const read = (name: string) => readFileSync(`${folder}/${name}`, "utf8");
  try {
    writeFileSync(`${folder}/${max}`, String(bytes));
    read(peak);
  } catch {
    dispose();
    return undefined;
  }
  return {
    under: ["sh", "-c", `echo $$ > ${folder}/cgroup.procs && exec "$@"`, "sh"],
    peakBytes: () => Number(read(peak)),
    kills() {
      const events = read(root.endsWith("memory") ? "memory.oom_control" : "memory.events");
      return Number(/^oom_kill (\d+)$/m.exec(events)?.[1]);
    },
    [Symbol.dispose]: dispose,
  };
}
