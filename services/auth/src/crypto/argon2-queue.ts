import { PosternError } from "../domain/errors.ts";

export interface BoundedQueueOptions {
  /** How many pieces of work run at once. */
  readonly slots: number;
  /** How many more may wait. */
  readonly limit: number;
}

/**
 * Runs work in the order in which it came, and forgets what is aborted while it waits. What has begun runs
 * to its end: the pool could only stop it by ending its thread, and whoever hangs up early would make the
 * server start a thread for each call.
 */
export class BoundedQueue {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  readonly #taken = new Set<Promise<unknown>>();
  #free: number;
  #kept = 0;

  constructor({ slots, limit }: BoundedQueueOptions) {
    this.#free = slots;
    this.#limit = limit;
  }

  /**
   * @throws {PosternError} `OVERLOADED` when the queue is full
   * @throws what `signal` was aborted with, when that happened before the work began
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const outcome = this.#runInTurn(work, signal);
    this.#taken.add(outcome);
    return outcome.finally(() => this.#taken.delete(outcome));
  }

  /** Work that waits for its turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether every place is taken or kept. */
  get isFull(): boolean {
    return this.#waiting.size + this.#kept >= this.#limit + this.#free;
  }

  /**
   * Keeps a place for work that is about to come, until it is disposed of.
   * @throws {PosternError} `OVERLOADED` where there is none
   */
  keepPlace(): Disposable {
    if (this.isFull) throw new PosternError("OVERLOADED");
    this.#kept += 1;
    return {
      [Symbol.dispose]: () => {
        this.#kept -= 1;
      },
    };
  }

  /** Resolves once nothing runs or waits. */
  async drain(): Promise<void> {
    while (this.#taken.size > 0) await Promise.allSettled(this.#taken);
  }

  async #runInTurn<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    if (this.#waiting.size >= this.#limit) throw new PosternError("OVERLOADED");

    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => {
      this.#waiting.delete(resolve);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting.add(resolve);
    await promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  /** Hands the slot to whoever waits longest, so that no newcomer takes it in between. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
