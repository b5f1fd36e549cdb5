import { fork } from "node:child_process";
import { once } from "node:events";

/** A script that answers questions, in its own process; it ends with ours. */
export interface Worker extends AsyncDisposable {
  /** @throws {Error} with what the work threw, or where the process has ended or says nothing for two minutes */
  ask<Answer>(name: string, argument?: unknown): Promise<Answer>;
}

const silenceMs = 120_000;

type Work = (argument: never) => Promise<unknown>;

interface Question {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Outcome {
  readonly id: number;
  readonly answer?: unknown;
  readonly fault?: string;
}

export function startWorker(script: string, execArgv: readonly string[] = []): Worker {
  const child = fork(script, { execArgv: [...execArgv], env: { PATH: process.env["PATH"] } });
  const exit = once(child, "exit");
  const asked = new Map<number, PromiseWithResolvers<unknown>>();
  let next = 0;
  child.on("message", ({ id, answer, fault }: Outcome) => {
    const one = asked.get(id);
    asked.delete(id);
    if (fault === undefined) one?.resolve(answer);
    else one?.reject(new Error(`${script}: ${fault}`));
  });
  child.on("exit", (code, signal) => {
    for (const one of asked.values()) one.reject(new Error(`${script} has ended: ${signal ?? code}`));
    asked.clear();
  });
  return {
    async ask<Answer>(name: string, argument?: unknown): Promise<Answer> {
      if (!child.connected) throw new Error(`${script} has ended`);
      const one = Promise.withResolvers<unknown>();
      const id = next++;
      asked.set(id, one);
      const silent = setTimeout(() => one.reject(new Error(`${script} does not answer`)), silenceMs);
      child.send({ id, name, argument } satisfies Question);
      try {
        return (await one.promise) as Answer;
      } finally {
        clearTimeout(silent);
      }
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      await exit;
    },
  };
}

/** Answers the questions of the parent process, and ends with it. */
export function answer(works: Readonly<Record<string, Work>>): void {
  process.once("disconnect", () => process.exit());
  process.on("message", async ({ id, name, argument }: Question) => {
    let outcome: Outcome;
    try {
      outcome = { id, answer: await works[name]?.(argument as never) };
    } catch (error) {
      outcome = { id, fault: error instanceof Error ? `${error.stack}` : String(error) };
    }
    process.send?.(outcome);
  });
}

/** Milliseconds of the one clock that all processes of a machine share; it never goes back. */
export function sharedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
