import type { ContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { type Caller, permits } from "../domain/caller/caller.ts";
import { PosternError } from "../domain/errors.ts";
import { withDeadline, withoutDeadline } from "../lib/deadline.ts";
import { type AccessRule, accessTable } from "./access-table.ts";
import { admitAgainKey, begunKey, callerKey, onAcceptedKey, requestIdKey } from "./context.ts";
import { toConnectError, withRequestId } from "./errors.ts";
import { withUnpacking } from "./gzip.ts";

export type Authenticate = (authorization: string | null) => Promise<Caller>;

/** A unary call may take so long; what a client asks above it is cut to it. */
const maxTimeoutMs = 10_000;
/** Connect's timers count no longer, and end what asks for more at once. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Puts authentication in front of a handler: the request's body cannot be read before the caller is known
 * and may call the method. It stands outside the router, so nothing that a service is registered with can
 * switch it off, and the refusal is framed by the protocol's own handler.
 */
export function gate(
  handler: UniversalHandler,
  authenticate: Authenticate,
  onRefused: (error: unknown, values: ContextValues) => void,
) {
  const rule = accessTable.get(handler.method);
  return async (request: UniversalServerRequest & { contextValues: ContextValues }, credentials: number) => {
    const inTime = <T>(work: () => T): T => {
      if (handler.method.methodKind === "unary") {
        return withDeadline(performance.now() + capTimeout(request.header), work);
      }
      dropEndlessTimeout(request.header);
      return withoutDeadline(work);
    };
    const values = request.contextValues;
    const progress = { refused: false, read: false, tooLarge: false };
    const body = request.body as AsyncIterable<Uint8Array>;
    const isWhole = isEnveloped(request.header) ? watchEnvelope() : () => false;
    async function* admitted() {
      try {
        // Two credentials: somebody in between may have judged by the other one.
        if (credentials > 1)
          throw new PosternError("INVALID_CLIENT", { message: "send one `authorization` header" });
        const admitAgain = () => admit(rule, request.header, values, authenticate);
        await admitAgain();
        values.set(admitAgainKey, admitAgain);
      } catch (error) {
        progress.refused = true;
        onRefused(error, values);
        throw withRequestId(toConnectError(error), values.get(requestIdKey));
      }
      for await (const piece of body) {
        progress.read ||= isWhole(piece);
        yield piece;
      }
      progress.read = true;
    }
    const answer = () => handler({ ...request, body: admitted() });
    const response = await inTime(() => withUnpacking(progress, answer));
    const failed = isEnveloped(request.header) || response.status >= 400;
    const unparsed = failed && progress.read && !progress.refused && !values.get(begunKey).begun;
    if (!unparsed || progress.tooLarge) return response;
    // Connect calls a binary message that it cannot parse its own internal fault, and of a JSON one it repeats
    // a part, which may be a secret. Handed an error in place of the body, the handler frames that one instead.
    const error = malformedMessage(handler.method);
    onRefused(error, values);
    return handler({ ...request, body: refusedBody(error, values.get(requestIdKey)) });
  };
}

async function admit(
  rule: AccessRule | undefined,
  header: Headers,
  values: ContextValues,
  authenticate: Authenticate,
): Promise<void> {
  if (rule === "public") return;
  const caller = await authenticate(header.get("authorization"));
  if (rule === undefined || !rule.some((permission) => permits(caller, permission))) {
    throw new PosternError("NOT_PERMITTED", {
      message: `the caller lacks the permission ${rule?.map((one) => `\`${one}\``).join(" or ") ?? ""}`,
    });
  }
  values.set(callerKey, caller);
  values.get(onAcceptedKey)();
}

function malformedMessage({ input }: UniversalHandler["method"]): PosternError {
  const message = `the body is no ${input.typeName}: malformed, of the wrong types, or with text that is not UTF-8`;
  return new PosternError("INVALID_REQUEST", { message });
}

// biome-ignore lint/correctness/useYield: it stands for a body that cannot be read
async function* refusedBody(error: PosternError, requestId: string): AsyncGenerator<Uint8Array> {
  throw withRequestId(toConnectError(error), requestId);
}

/** gRPC or gRPC-Web. */
function isGrpc(header: Headers): boolean {
  return /^application\/grpc/i.test(header.get("content-type") ?? "");
}

/** A protocol that puts messages into envelopes, and tells of errors behind them. */
function isEnveloped(header: Headers): boolean {
  return isGrpc(header) || /^application\/connect\+/i.test(header.get("content-type") ?? "");
}

/**
 * Watches a body of envelopes go by, and says from when on its first message is complete: Connect parses it then,
 * and on a fault does not read to the body's end.
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

const grpcTimeout = /^(\d{1,8})([HMSmun])$/;
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Gives every unary call a deadline; a client's longer one is cut, not refused. Malformed ones are Connect's to refuse.
 * @returns milliseconds
 */
function capTimeout(header: Headers): number {
  const asked = askedTimeoutMs(header);
  if (asked > maxTimeoutMs) {
    header.set(timeoutName(header), isGrpc(header) ? `${maxTimeoutMs}m` : String(maxTimeoutMs));
  }
  return Math.min(asked, maxTimeoutMs);
}

/** A stream may ask for any time: for more than can be counted is for no end. */
function dropEndlessTimeout(header: Headers): void {
  if (askedTimeoutMs(header) > longestTimerMs) header.delete(timeoutName(header));
}

function timeoutName(header: Headers): "grpc-timeout" | "connect-timeout-ms" {
  return isGrpc(header) ? "grpc-timeout" : "connect-timeout-ms";
}

/** Without a timeout, `Infinity`; of a malformed one the longest, for Connect refuses the call by itself. */
function askedTimeoutMs(header: Headers): number {
  const given = header.get(timeoutName(header));
  if (given === null) return Number.POSITIVE_INFINITY;
  if (!isGrpc(header)) return /^\d{1,10}$/.test(given) ? Number(given) : maxTimeoutMs;
  const [, digits, unit] = grpcTimeout.exec(given) ?? [];
  return digits === undefined ? maxTimeoutMs : Number(digits) * (unitMs[unit ?? ""] ?? 0);
}
