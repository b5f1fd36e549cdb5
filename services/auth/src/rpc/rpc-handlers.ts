import { requireRules } from "../call/access-table.ts";
import { arrivalOf } from "../call/arrival.ts";
import type { Calls } from "../call/calls.ts";
import type { NodeHandler, NodeRequest, NodeResponse } from "../lib/node-http.ts";
import { createConnectHandlers } from "./connect/connect-handlers.ts";
import { shedLoad } from "./load-shedding.ts";
import { type Method, operationOf } from "./methods/method.ts";
import type { RpcHandler } from "./rpc-handler.ts";
import { createValidate } from "./validate.ts";

/** How long an HTTP/1.1 client may continue to send a body that is not read. */
const lingerMs = 2_000;

export interface RpcHandlersOptions {
  readonly methods: readonly Method[];
  readonly calls: Calls;
  readonly newRequestId: () => string;
  /** An error in writing an answer, or in framing it. */
  readonly onFault: (error: unknown) => void;
}

/**
 * Serves every method by gRPC, gRPC-Web and Connect.
 * @returns handlers by path
 * @throws {Error} if a method has no row in the access table
 */
export function createRpcHandlers(options: RpcHandlersOptions): ReadonlyMap<string, NodeHandler> {
  const { methods, onFault } = options;
  requireRules(methods.map(({ desc }) => operationOf(desc)));
  const handlers = createConnectHandlers({ methods, validate: createValidate(), onFault });
  return new Map(handlers.map((handler) => [handler.path, toNodeHandler(handler, options)]));
}

function toNodeHandler(handler: RpcHandler, { calls, newRequestId }: RpcHandlersOptions): NodeHandler {
  const operation = operationOf(handler.method);
  return (request, response) => {
    if (!handler.allowedMethods.includes(request.method ?? "")) {
      // Connect answers 405 too, but without the allowed methods (RFC 9110 section 15.5.6).
      response.writeHead(405, { allow: handler.allowedMethods.join(", ") });
      response.end();
      return;
    }
    closeWhenAnswered(request, response);
    const arrival = arrivalOf(request, newRequestId);
    if (calls.isOverloaded(operation) && shedLoad(request, response, arrival.id)) calls.onShed(operation);
    else void handler.serve(calls.open(operation, arrival), request, response);
  };
}

/**
 * Cuts off a client that is answered before it has sent its whole request: it could hold the stream open forever. Over
 * HTTP/1.1 it may go on sending for a moment: a connection that is closed with unread bytes is reset, and the answer is
 * lost on its way.
 */
function closeWhenAnswered(request: NodeRequest, response: NodeResponse): void {
  if ("stream" in request) {
    const { stream } = request;
    // The response's own `finish` waits for the stream to close. Closed in the same turn, a stream loses its trailers.
    stream.once("wantTrailers", () =>
      setImmediate(() => {
        if (!request.complete) stream.close();
      }),
    );
    return;
  }
  response.once("finish", () => {
    if (request.complete) return;
    const { socket } = request;
    const cut = setTimeout(() => socket.destroy(), lingerMs);
    request.once("close", () => clearTimeout(cut));
    request.resume();
  });
}
