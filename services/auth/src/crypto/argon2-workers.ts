import { params } from "./argon2-params.ts";

const MIB = 1024 * 1024;
/** All that the server takes beside hashing, under load: code, heap, connections. */
const baseBytes = 256 * MIB;
/** A thread with its heap, beside the memory of the hash that it works on. */
const threadBytes = 32 * MIB;
const workerBytes = threadBytes + params.memoryCost * 1024;

export interface Machine {
  /** Cores that may be used. */
  readonly cores: number;
  /** What the process may take before it is killed; 0 or more than there can be: no limit. */
  readonly memoryBytes: number;
}

export interface Workers {
  /** Threads that hash: one less than there are cores, and no more than fit into the memory; at least one. */
  readonly count: number;
  /** The least memory that the process with one of them fits into, where it has less. */
  readonly shortOfBytes: number | undefined;
}

/** How many passwords are hashed at once, so that a burst of logins ends nothing by taking all memory. */
export function workersFor({ cores, memoryBytes }: Machine): Workers {
  const byCores = Math.max(1, cores - 1);
  if (memoryBytes <= 0) return { count: byCores, shortOfBytes: undefined };
  const byMemory = Math.floor((memoryBytes - baseBytes) / workerBytes);
  return {
    count: Math.max(1, Math.min(byCores, byMemory)),
    shortOfBytes: byMemory < 1 ? baseBytes + workerBytes : undefined,
  };
}
