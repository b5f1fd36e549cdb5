import type { DescMethod, Message } from "@bufbuild/protobuf";
import { ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Validate } from "../validate.ts";
import { connectOutcomeOf, toConnectError, withRequestId } from "./errors.ts";
import { type Exchange, exchangeOf } from "./exchange.ts";

/**
 * What every call passes, the outermost first: the reading of a stream's message, so that the interceptors of a stream
 * also begin with the message in hand; the report with the translation of errors; and the validation of the message.
 * The deadline is set and the caller authenticated before, where the body is opened (see `gate.ts`).
 */
export function createInterceptors(validate: Validate): Interceptor[] {
  return [readFirstMessage, report, validateMessages(validate)];
}

const readFirstMessage: Interceptor = (next) => async (request) => {
  if (!request.stream) return next(request);
  const messages = request.message[Symbol.asyncIterator]();
  return next({ ...request, message: prepend(await messages.next(), messages) });
};

async function* prepend<T>(first: IteratorResult<T, unknown>, rest: AsyncIterator<T>): AsyncGenerator<T> {
  if (first.done === true) return;
  yield first.value;
  yield* { [Symbol.asyncIterator]: () => rest };
}

const report: Interceptor = (next) => async (request) => {
  const exchange = exchangeOf(request.contextValues);
  exchange.isParsed = true;
  try {
    const response = await untilAborted(next(request), request.signal);
    if (response.stream) Object.assign(response, { message: reportAtEnd(response.message, exchange) });
    else exchange.call.finish();
    return response;
  } catch (thrown) {
    // If the client hung up, Connect reports only the abort; do not log it as our error.
    throw finishWith(thrown === request.signal.reason ? ConnectError.from(thrown) : thrown, exchange);
  }
};

/** A stream's errors are thrown while it is read, after the call has returned. */
async function* reportAtEnd<T>(messages: AsyncIterable<T>, exchange: Exchange): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw finishWith(error, exchange);
  } finally {
    exchange.call.finish();
  }
}

/** @returns the error that the client gets */
function finishWith(error: unknown, { call }: Exchange): ConnectError {
  call.finish(error, connectOutcomeOf(error));
  return withRequestId(toConnectError(error), call.id);
}

/** A call past its deadline is answered even if its work has not ended. */
async function untilAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  answer.catch(() => {});
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    signal.throwIfAborted();
    return await Promise.race([answer, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function validateMessages(validate: Validate): Interceptor {
  async function* checked({ input }: DescMethod, messages: AsyncIterable<Message>) {
    for await (const message of messages) {
      validate(input, message);
      yield message;
    }
  }
  return (next) => async (request) => {
    if (request.stream) return next({ ...request, message: checked(request.method, request.message) });
    validate(request.method.input, request.message);
    return next(request);
  };
}
