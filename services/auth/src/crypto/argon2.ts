import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import type { PasswordHasher } from "../domain/ports/password-hasher.ts";
import { assertAffordable, createDummyHash } from "./argon2-params.ts";
import { BoundedQueue } from "./argon2-queue.ts";
import type { Argon2Task } from "./argon2-worker.ts";
import { type Machine, workersFor } from "./argon2-workers.ts";

export interface PasswordHasherOptions {
  /** Number of threads. Default: the choice of `workersFor` for this machine. */
  readonly workers?: number;
  /** Maximum number of calls that wait for a thread. With the default, the wait is under 2 s if a hash takes 40 ms. */
  readonly queue?: number;
}

/** The state of the queue. */
export interface HashQueue {
  /** Passwords that wait for a thread. */
  readonly waiting: number;
  /** Whether another call would be refused. */
  readonly isFull: boolean;
}

const waitingPerWorker = 50;

/** This machine's cores, and the memory limit of this process or its container. */
export function thisMachine(): Machine {
  return { cores: availableParallelism(), memoryBytes: process.constrainedMemory() };
}

/**
 * Hashes with Argon2id in a pool of threads, with the library's synchronous calls. Its asynchronous calls use libuv's pool,
 * where queued logins would delay DNS and files. Disposing of it waits for accepted work.
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
    // The environment contains secrets that a thread does not need.
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

    reserveSlot: () => queue.reserveSlot(),

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
