import { randomUUID } from "node:crypto";
import type { CallOptions } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import { reasonOf } from "../support/clients/clients.ts";
import { poll } from "../support/poll.ts";

/** What a call came to, and the request id that the audit has of it. */
export interface Asked {
  /** `OK`, or the reason of its refusal. */
  readonly reason: string;
  readonly requestId: string;
}

/**
 * Calls until there is a verdict, by one request id: a try that was answered UNAVAILABLE may have been judged, and
 * its event then has the id of the one that was answered.
 */
export async function asked(call: (options: CallOptions) => Promise<unknown>): Promise<Asked> {
  const requestId = randomUUID();
  const reason = await poll("an answer that is a verdict", 30_000, async () => {
    const outcome = await call({ headers: { "x-request-id": requestId } }).then(
      () => "OK",
      (error: unknown) => refusalOf(error, requestId),
    );
    return outcome === "UNAVAILABLE" ? undefined : outcome;
  });
  return { reason, requestId };
}

/** @throws where the refusal does not name the call as its caller does */
function refusalOf(error: unknown, requestId: string): string {
  const result = ConnectError.from(error).metadata.get("x-request-id");
  if (result !== requestId) throw new Error(`the refusal is of the call ${result}`, { cause: error });
  return reasonOf(error);
}

/** An event as `postern audit --json` shows it. */
export interface Shown {
  readonly [member: string]: unknown;
  readonly requestId: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/**
 * The events as if each call had been made once.
 * @param events the newest first
 * @returns the oldest first
 */
export function onceEach(events: readonly Shown[]): Shown[] {
  const result = new Set<string>();
  const last = events.filter(({ event, requestId }) => {
    const call = `${requestId} ${event}`;
    if (requestId !== "" && result.has(call)) return false;
    result.add(call);
    return true;
  });
  return last.toReversed();
}
