import type { DescMethod, Message } from "@bufbuild/protobuf";
import { createValidator, type Violation, violationsToProto } from "@bufbuild/protovalidate";
import { ConnectError, type Interceptor } from "@connectrpc/connect";
import type { FinishedCall } from "../call/finished-call.ts";
import { PosternError } from "../domain/errors.ts";
import { begunKey, requestIdKey } from "./context.ts";
import { outcomeOf, toConnectError, withRequestId } from "./errors.ts";

/** `<service>/<method>`, as in the path of its URL. */
export function methodName({ parent, name }: DescMethod): string {
  return `${parent.typeName}/${name}`;
}

/**
 * What every call passes, the outermost first: the reading of a stream's message, so that its chain too begins with the
 * message in hand; the report with the translation of errors; and the validation of the message. The deadline is set and
 * the caller authenticated before, where the body is opened (see `gate.ts`).
 */
export function createChain(onFinished: (call: FinishedCall) => void): Interceptor[] {
  const validator = createValidator();

  const readStream: Interceptor = (next) => async (request) => {
    if (!request.stream) return next(request);
    const messages = request.message[Symbol.asyncIterator]();
    return next({ ...request, message: goOn(await messages.next(), messages) });
  };

  const report: Interceptor = (next) => async (request) => {
    const startedAt = performance.now();
    const requestId = request.contextValues.get(requestIdKey);
    request.contextValues.get(begunKey).begun = true;
    const finished = (error: unknown) =>
      onFinished({
        operation: methodName(request.method),
        id: requestId,
        ...outcomeOf(error),
        error,
        durationMs: performance.now() - startedAt,
      });
    try {
      const response = await untilAborted(next(request), request.signal);
      if (!response.stream) finished(undefined);
      else Object.assign(response, { message: translated(response.message, requestId, finished) });
      return response;
    } catch (thrown) {
      // Of a caller who is gone Connect has no error, only that it was aborted: that is no fault of ours.
      const error = thrown === request.signal.reason ? ConnectError.from(thrown) : thrown;
      finished(error);
      throw withRequestId(toConnectError(error), requestId);
    }
  };

  function check(method: DescMethod, message: Message): void {
    if (holdsNul(message)) throw new PosternError("INVALID_REQUEST", { message: nulMessage });
    const result = validator.validate(method.input, message);
    if (result.kind === "error") throw result.error;
    if (result.kind === "invalid") throw invalid(result.violations);
  }
  async function* checked(method: DescMethod, messages: AsyncIterable<Message>) {
    for await (const message of messages) {
      check(method, message);
      yield message;
    }
  }
  const validate: Interceptor = (next) => async (request) => {
    if (request.stream) return next({ ...request, message: checked(request.method, request.message) });
    check(request.method, request.message);
    return next(request);
  };

  return [readStream, report, validate];
}

async function* goOn<T>(first: IteratorResult<T, unknown>, rest: AsyncIterator<T>): AsyncGenerator<T> {
  if (first.done === true) return;
  yield first.value;
  yield* { [Symbol.asyncIterator]: () => rest };
}

/** A call past its deadline is answered even where what it waits for is not. */
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

/** A stream's faults come while it is read, after the call has returned. */
async function* translated<T>(
  messages: AsyncIterable<T>,
  requestId: string,
  finished: (error: unknown) => void,
): AsyncGenerator<T> {
  let fault: unknown;
  try {
    yield* messages;
  } catch (error) {
    fault = error;
    throw withRequestId(toConnectError(error), requestId);
  } finally {
    finished(fault);
  }
}

const nulMessage = "text may not hold the character U+0000";

/** Postgres takes no text with it, and says so only when it is asked to store one. */
function holdsNul(value: unknown): boolean {
  if (typeof value === "string") return value.includes("\0");
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return false;
  return Object.values(value).some(holdsNul);
}

/** Says which fields are wrong and what they must be; never what they were. */
function invalid(violations: Violation[]): ConnectError {
  const list = violations.map((violation) => {
    const path = violation.field.map((part) => ("name" in part ? String(part.name) : "")).filter(Boolean);
    return `\`${path.join(".") || "message"}\` ${violation.message}`;
  });
  const error = toConnectError(new PosternError("INVALID_REQUEST", { message: list.join("; ") }));
  const [value, desc] = violationsToProto(violations);
  error.details.push({ desc, value });
  return error;
}
