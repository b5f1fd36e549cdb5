// A verifier in its own process, which reports its memory. Needs `--expose-gc`.
import { createVerifier, type VerifierOptions } from "../../../services/client/src/index.ts";
import type { Memory } from "./site.ts";
import { answer, sharedMs } from "./worker.ts";

export interface InStep {
  readonly tookMs: number;
  readonly revocations: number;
  readonly before: Memory;
  readonly after: Memory;
}

answer({
  /** Follows the log from its start until it is in step. */
  async follow(options: VerifierOptions): Promise<InStep> {
    const before = memory();
    const startMs = sharedMs();
    await using verifier = createVerifier(options);
    await verifier.ready;
    const tookMs = sharedMs() - startMs;
    return { tookMs, revocations: verifier.state.revocations, before, after: memory() };
  },
});

function memory(): Memory {
  // What the first run finishes, the second one collects.
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, used: heapUsed + external };
}
