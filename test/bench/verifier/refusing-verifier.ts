// A verifier in its own process, which reports when it began to refuse a token.
import { setTimeout as delay } from "node:timers/promises";
import {
  createVerifier,
  PosternError,
  type Verifier,
  type VerifierOptions,
} from "../../../services/client/src/index.ts";
import { answer, sharedMs } from "./worker.ts";

let verifier: Verifier | undefined;
let refusedMs: Promise<number>;

answer({
  async open(options: VerifierOptions): Promise<void> {
    verifier = createVerifier(options);
    await verifier.ready;
  },
  /** Accepts the token, and shows it again every millisecond from now on. */
  async accept(token: string): Promise<void> {
    if (await isRefused(token)) throw new Error("a token is refused that was not revoked");
    refusedMs = untilRefused(token);
    refusedMs.catch(() => {});
  },
  refused: (): Promise<number> => refusedMs,
});

async function untilRefused(token: string): Promise<number> {
  while (!(await isRefused(token))) await delay(1);
  return sharedMs();
}

async function isRefused(token: string): Promise<boolean> {
  try {
    await verifier?.verify(token);
    return false;
  } catch (error) {
    if (error instanceof PosternError && error.code === "ERR_TOKEN_REVOKED") return true;
    throw error;
  }
}
