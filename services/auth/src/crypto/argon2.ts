import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import type { PasswordHasher } from "../domain/ports/password-hasher.ts";
import { assertAffordable, createDummyHash } from "./argon2-params.ts";
import { BoundedQueue } from "./argon2-queue.ts";
import type { Argon2Task } from "./argon2-worker.ts";
import { type Machine, workersFor } from "./argon2-workers.ts";

export interface PasswordHasherOptions {
  /** Threads; by default what `workersFor` finds right for this machine. */
  readonly workers?: number;
  /** Calls that may wait for a thread. The default keeps the wait under 2 s where a hash takes 40 ms. */
  readonly queue?: number;
}

/** The queue at this moment. */
export interface HashQueue {
  /** Passwords that wait for a thread. */
  readonly waiting: number;
  /** Whether what is asked now would be refused. */
  readonly isFull: boolean;
}

const waitingPerWorker = 50;

/** Its cores, and the limit of the memory that is this process's: a container's, where it is in one. */
export function thisMachine(): Machine {
  return { cores: availableParallelism(), memoryBytes: process.constrainedMemory() };
}

/**
 * Argon2id in threads of its own, with the library's synchronous calls: its asynchronous ones take the pool
 * of libuv, where queued logins hold up DNS and files. Disposing of it waits for what has been taken on.
 */
export function createPasswordHasher(
  options: PasswordHasherOptions = {},
): PasswordHasher & HashQueue & AsyncDisposable {
  const workers = options.workers ?? workersFor(thisMachine()).count;
  const limit = options.queue ?? waitingPerWorker * workers;
  const queue = new BoundedQueue({ slots: workers, limit });
  const pool = new Piscina<Argon2Task, string | boolean>({
    filename: fileURLToPath(new URL("./argon2-worker.ts", import.meta.url)),
    name: "run",
    minThreads: workers,
    maxThreads: workers,
    recordTiming: false,
    execArgv: [],
    // The environment holds secrets that a thread has no use for.
    env: {},
  });
  const dummyHash = createDummyHash();

  function submit(task: (password: Uint8Array) => Argon2Task, password: string, signal: AbortSignal) {
    return queue.run(() => {
      const bytes = new TextEncoder().encode(password);
      return pool.run(task(bytes), { transferList: [bytes.buffer] });
    }, signal);
  }

  return {
    get waiting() {
      return queue.waiting;
    },
    get isFull() {
      return queue.isFull;
    },

    keepPlace: () => queue.keepPlace(),

    async hash(password, signal) {
      const hash = await submit((bytes) => ({ kind: "hash", password: bytes }), password, signal);
      return String(hash);
    },

    async verify(password, stored, signal) {
      const hash = stored ?? dummyHash;
      assertAffordable(hash);
      const fits = await submit((bytes) => ({ kind: "verify", password: bytes, hash }), password, signal);
      return fits === true && stored !== undefined;
    },

    async [Symbol.asyncDispose]() {
      await queue.drain();
      await pool.close();
    },
  };
}
