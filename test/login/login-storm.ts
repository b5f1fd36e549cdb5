import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Spread } from "../support/load/open-loop.ts";

export interface StormOptions {
  /** Of the server's http listener. */
  readonly url: string;
  readonly credential: string;
  /** Logins in flight at all times. */
  readonly inFlight: number;
  /** What is tried, each as often as any other. */
  readonly attempts: readonly { readonly identifier: string; readonly password: string }[];
}

export interface StormReport {
  /**
   * How often each outcome was met: `ok`, a reason, or the fault of the transport. A reason that comes with a time
   * delay before a retry is part of it: `OVERLOADED, retry after 1 s`.
   */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Milliseconds from sending to answer, of those that were hashed, and of those that were refused. */
  readonly hashedMs: Spread;
  readonly refusedMs: Spread;
  readonly seconds: number;
}

export interface LoginStorm {
  /** Starts no further logins; resolves when all are answered. */
  stop(): Promise<StormReport>;
}

/** Starts logins in a separate thread, and resolves once one of them was refused. */
export async function startLoginStorm(options: StormOptions): Promise<LoginStorm> {
  const worker = new Worker(new URL("./login-storm-worker.ts", import.meta.url), { workerData: options });
  await once(worker, "message");
  return {
    async stop() {
      const report = once(worker, "message");
      worker.postMessage("stop");
      const [result] = await report;
      await worker.terminate();
      return result as StormReport;
    },
  };
}
