import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { AuthError } from "../../domain/errors.ts";
import { withDeadline, withoutDeadline } from "../../lib/deadline.ts";
import { toConnectError, withRequestId } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { withUnpacking } from "./gzip.ts";
import { capTimeout, dropEndlessTimeout, isGrpc } from "./timeout.ts";

/**
 * Puts authentication in front of a handler: no byte of the body can be read before the caller is authenticated and
 * permitted. The gate is outside of Connect's router, so no option of a service can switch it off, and the handler of
 * the protocol frames the refusal.
 */
export function gate(handler: UniversalHandler) {
  return async (request: UniversalServerRequest, exchange: Exchange) => {
    const { call } = exchange;
    const body = admitted(request, exchange);
    const answer = () => withUnpacking(exchange, () => handler({ ...request, body }));
    const response = await inTime(handler, request.header, answer);
    const failed = isEnveloped(request.header) || response.status >= 400;
    const isMalformed = failed && exchange.isRead && !exchange.isRefused && !exchange.isParsed;
    if (!isMalformed || exchange.isTooLarge) return response;
    // Connect reports a malformed binary message as its own internal error, and repeats a part of a malformed JSON
    // message, which may be a secret. A second run, with an error in place of the body, frames our own error instead.
    const error = malformedMessage(handler);
    call.finish(error);
    return handler({ ...request, body: failing(withRequestId(toConnectError(error), call.id)) });
  };
}

function inTime<T>({ method }: UniversalHandler, header: Headers, work: () => T): T {
  if (method.methodKind === "unary") return withDeadline(performance.now() + capTimeout(header), work);
  dropEndlessTimeout(header);
  return withoutDeadline(work);
}

/** The request's body, once the caller is admitted. */
async function* admitted(request: UniversalServerRequest, exchange: Exchange): AsyncGenerator<Uint8Array> {
  const { call } = exchange;
  try {
    await call.admit();
  } catch (error) {
    exchange.isRefused = true;
    call.finish(error);
    throw withRequestId(toConnectError(error), call.id);
  }
  const isWhole = isEnveloped(request.header) ? watchEnvelope() : () => false;
  for await (const piece of request.body as AsyncIterable<Uint8Array>) {
    exchange.isRead ||= isWhole(piece);
    yield piece;
  }
  exchange.isRead = true;
}

function malformedMessage({ method: { input } }: UniversalHandler): AuthError {
  const message = `the body is not a ${input.typeName}: malformed, of the wrong types, or with text that is not UTF-8`;
  return new AuthError("INVALID_REQUEST", { message });
}

// biome-ignore lint/correctness/useYield: it replaces a body that cannot be read
async function* failing(error: Error): AsyncGenerator<Uint8Array> {
  throw error;
}

/** Whether the protocol puts messages into envelopes, and reports errors behind them. */
function isEnveloped(header: Headers): boolean {
  return isGrpc(header) || /^application\/connect\+/i.test(header.get("content-type") ?? "");
}

/**
 * Watches a body of envelopes.
 * @returns whether the first message is complete: Connect then parses it, and after an error does not read to the end
 */
function watchEnvelope(): (piece: Uint8Array) => boolean {
  const head: number[] = [];
  let seen = 0;
  return (piece) => {
    head.push(...piece.subarray(0, 5 - head.length));
    seen += piece.length;
    return head.length === 5 && seen >= 5 + Buffer.from(head).readUInt32BE(1);
  };
}
