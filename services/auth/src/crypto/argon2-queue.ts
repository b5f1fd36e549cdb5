import { AuthError } from "../domain/errors.ts";

export interface BoundedQueueOptions {
  /** Maximum number of pieces of work that run at the same time. */
  readonly slots: number;
  /** Maximum number that waits. */
  readonly limit: number;
}

/**
 * Runs work in the order of its arrival, and drops work that is aborted while it waits. Work that has begun runs to its end:
 * the pool could stop it only by ending its thread, and clients that hang up would make the server start a thread for each
 * call.
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
   * @throws {AuthError} `OVERLOADED` if the queue is full
   * @throws the reason of `signal`, if it is aborted before the work begins
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const outcome = this.#runInTurn(work, signal);
    this.#taken.add(outcome);
    return outcome.finally(() => this.#taken.delete(outcome));
  }

  /** Waiting work. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether every slot is used or reserved. */
  get isFull(): boolean {
    return this.#waiting.size + this.#kept >= this.#limit + this.#free;
  }

  /**
   * Reserves a slot for work that follows, until it is disposed of.
   * @throws {AuthError} `OVERLOADED` if there is none
   */
  reserveSlot(): Disposable {
    if (this.isFull) throw new AuthError("OVERLOADED");
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
    if (this.#waiting.size >= this.#limit) throw new AuthError("OVERLOADED");

    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => {
      this.#waiting.delete(resolve);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting.add(resolve);
    await promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  /** Gives the slot to the work that has waited longest, so that new work does not overtake it. */
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
