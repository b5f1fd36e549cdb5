import { setTimeout as delay } from "node:timers/promises";
import type { Site } from "./site.ts";
import { sharedMs, startWorker } from "./worker.ts";

export interface PropagationReport {
  /** Milliseconds from the answer of each Revoke until both verifiers refused the session's token. */
  readonly tookMs: readonly number[];
}

/** On a slow machine there are fewer of them. */
const giveUpMs = 75_000;
/** Longer than from one read of the head to the next, which the revocations must not keep step with. */
const pauseMs = 25;

/** Revokes session after session, and waits for two verifiers in processes of their own to hear of each. */
export async function measurePropagation(site: Site, wanted: number): Promise<PropagationReport> {
  const sessions = await site.openSessions(wanted);
  const script = `${import.meta.dirname}/refusing-verifier.ts`;
  await using one = startWorker(script);
  await using other = startWorker(script);
  const both = [one, other];
  const ask = <Answer>(name: string, argument?: unknown) =>
    Promise.all(both.map((worker) => worker.ask<Answer>(name, argument)));
  await ask("open", site.verifierOptions);
  const untilMs = performance.now() + giveUpMs;
  const tookMs: number[] = [];
  for (const { id, accessToken } of sessions) {
    if (performance.now() > untilMs) break;
    await ask("accept", accessToken);
    await delay(Math.random() * pauseMs);
    await site.clients.auth.revoke({ target: { case: "sessionId", value: id } });
    const answeredMs = sharedMs();
    const refusedMs = await ask<number>("refused");
    tookMs.push(Math.max(0, ...refusedMs.map((ms) => ms - answeredMs)));
  }
  return { tookMs };
}
