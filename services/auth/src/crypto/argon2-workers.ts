import { params } from "./argon2-params.ts";

const MIB = 1024 * 1024;
/** Memory of the server under load, without hashing: code, heap, connections. */
const baseBytes = 256 * MIB;
/** Memory of a thread with its heap, without the memory of a hash. */
const threadBytes = 32 * MIB;
const workerBytes = threadBytes + params.memoryCost * 1024;

export interface Machine {
  /** Cores that the process may use. */
  readonly cores: number;
  /** The memory limit of the process; 0, or more than any machine has: no limit. */
  readonly memoryBytes: number;
}

export interface Workers {
  /** Number of threads that hash: one less than there are cores, as many as fit into the memory, and at least one. */
  readonly count: number;
  /** Minimum memory for one thread, if the process has less. */
  readonly shortOfBytes: number | undefined;
}

/** Chooses how many passwords are hashed at the same time, so that a burst of logins cannot use up the memory. */
export function workersFor({ cores, memoryBytes }: Machine): Workers {
  const byCores = Math.max(1, cores - 1);
  if (memoryBytes <= 0) return { count: byCores, shortOfBytes: undefined };
  const byMemory = Math.floor((memoryBytes - baseBytes) / workerBytes);
  return {
    count: Math.max(1, Math.min(byCores, byMemory)),
    shortOfBytes: byMemory < 1 ? baseBytes + workerBytes : undefined,
  };
}
