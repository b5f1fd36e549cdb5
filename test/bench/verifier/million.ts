import { appendEntries } from "./entries.ts";
import type { InStep } from "./lone-verifier.ts";
import type { Memory, Site } from "./site.ts";
import { startWorker } from "./worker.ts";

/** What living revocations cost, of which there are many. */
export interface MillionReport {
  readonly revocations: number;
  /** From when the entries began to come until the server knew all. */
  readonly appendedMs: number;
  readonly server: { readonly before: Memory; readonly after: Memory };
  /** A verifier that starts without entries. */
  readonly verifier: InStep;
}

export async function measureMillion(site: Site, wanted: number): Promise<MillionReport> {
  const before = await site.memory();
  const startMs = performance.now();
  const revocations = await appendEntries(site, wanted);
  const appendedMs = performance.now() - startMs;
  const after = await site.memory();
  await using worker = startWorker(`${import.meta.dirname}/lone-verifier.ts`, ["--expose-gc"]);
  const verifier = await worker.ask<InStep>("follow", site.verifierOptions);
  if (verifier.revocations < revocations) throw new Error("the verifier is in step and does not know all");
  return { revocations, appendedMs, server: { before, after }, verifier };
}
