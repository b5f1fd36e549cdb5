import { constants } from "node:http2";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  type ContextValues,
  createConnectRouter,
  createContextValues,
} from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { FinishedCall } from "../call/finished-call.ts";
import type { NodeHandler, NodeRequest, NodeResponse } from "../lib/node-http.ts";
import { demandRules } from "./access-table.ts";
import { createChain, methodName } from "./chain.ts";
import { begunKey, connectionKey, onAcceptedKey, requestIdKey } from "./context.ts";
import { refuseEarly } from "./early-refusal.ts";
import { outcomeOf } from "./errors.ts";
import { type Authenticate, gate } from "./gate.ts";
import { gzip } from "./gzip.ts";
import { strictJson } from "./strict-json.ts";
import { refuseUnknown } from "./unknown-call.ts";

/** The largest request message, compressed or not. */
const maxMessageBytes = 64 * 1024;
/** How long a client may go on sending what nobody will read. */
const lingerMs = 2_000;
/** How long a request may take to come in over HTTP/2; over HTTP/1.1 Node itself sees to it. */
const requestMs = 10_000;

export interface RpcListenerOptions {
  readonly routes: (router: ConnectRouter) => void;
  readonly authenticate: Authenticate;
  readonly newRequestId: () => string;
  readonly onFinished: (call: FinishedCall) => void;
  /** A credential was accepted on a connection: a socket, or a session over HTTP/2. */
  readonly onAccepted?: (connection: object) => void;
  /** Whether there is no room for one more call of a method: it is then refused before anything of it is read. */
  readonly isOverloaded: (method: DescMethod) => boolean;
  /** Told of each call so refused: a line in the log for each would cost as much as the refusal. */
  readonly onRefusedEarly: (method: DescMethod) => void;
  /** A fault in writing an answer, or in framing it. */
  readonly onFault: (error: unknown) => void;
  /** Answers a request for another path; calls `refuseUnknown` if nothing is served there. */
  readonly fallback: (request: NodeRequest, response: NodeResponse, refuseUnknown: () => void) => void;
}

/**
 * Serves every RPC by gRPC, gRPC-Web and Connect.
 * @throws {Error} where a method has no row in the access table
 */
export function createRpcListener(options: RpcListenerOptions): NodeHandler {
  const router = createConnectRouter({
    interceptors: createChain(options.onFinished),
    acceptCompression: [gzip],
    jsonOptions: strictJson,
    readMaxBytes: maxMessageBytes,
  });
  options.routes(router);
  demandRules([...new Set<DescService>(router.handlers.map((handler) => handler.service))]);
  const handlers = new Map(
    router.handlers.map((handler) => {
      const { method, allowedMethods } = handler;
      const refused = (error: unknown, values: ContextValues) =>
        options.onFinished({
          operation: methodName(method),
          id: values.get(requestIdKey),
          ...outcomeOf(error),
          error,
          durationMs: 0,
        });
      const call = gate(handler, options.authenticate, refused);
      return [handler.requestPath, { method, allowedMethods, call }];
    }),
  );

  return (request, response) => {
    const handler = handlers.get((request.url ?? "").split("?", 1)[0] ?? "");
    const requestId = requestIdOf(request) ?? options.newRequestId();
    closeWhenLate(request);
    if (handler === undefined) {
      // No handler of these paths reads a body.
      request.resume();
      options.fallback(request, response, () => refuseUnknown(request, response, requestId));
      return;
    }
    const { method, allowedMethods, call } = handler;
    if (!allowedMethods.includes(request.method ?? "")) {
      response.statusCode = 405;
      // Connect answers 405 too, but without the allowed methods (RFC 9110 section 15.5.6).
      response.setHeader("allow", allowedMethods.join(", "));
      response.end();
      return;
    }
    closeWhenAnswered(request, response);
    if (options.isOverloaded(method) && refuseEarly(request, response, requestId)) {
      options.onRefusedEarly(method);
      return;
    }
    const connection = connectionOf(request);
    const values = createContextValues()
      .set(requestIdKey, requestId)
      .set(begunKey, { begun: false })
      .set(connectionKey, connection)
      .set(onAcceptedKey, () => options.onAccepted?.(connection));
    // A request without an authority cannot be read at all.
    let universal: ReturnType<typeof universalRequestFromNodeRequest>;
    try {
      universal = universalRequestFromNodeRequest(request, response, undefined, values);
    } catch {
      response.writeHead(400);
      response.end();
      return;
    }
    endWritesWhenGone(universal.signal, response);
    call({ ...universal, contextValues: values }, countCredentials(request))
      .then((answer) => universalResponseToNodeResponse(answer, response))
      .catch((error: unknown) => {
        options.onFault(error);
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
  };
}

function connectionOf(request: NodeRequest): object {
  return "stream" in request ? (request.stream.session ?? request.stream) : request.socket;
}

/** A caller's own name for the call, where it can be logged as it is. */
function requestIdOf(request: NodeRequest): string | undefined {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : undefined;
}

/** Node keeps the first of several and says nothing. */
function countCredentials(request: NodeRequest): number {
  let count = 0;
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    if (request.rawHeaders[index]?.toLowerCase() === "authorization") count += 1;
  }
  return count;
}

/** No deadline counts while Connect waits for the message, and a peer that pings keeps its connection. */
function closeWhenLate(request: NodeRequest): void {
  if (!("stream" in request)) return;
  const { stream } = request;
  const cut = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), requestMs);
  for (const event of ["end", "close"]) request.once(event, () => clearTimeout(cut));
}

/**
 * Of a write to a connection that is destroyed, but has not been told closed, Node tells neither success nor failure.
 * Connect waits for the one or the other for ever, and a stream that is being sent is never over.
 */
function endWritesWhenGone(gone: AbortSignal, response: NodeResponse): void {
  gone.addEventListener("abort", () => response.emit("drain"), { once: true });
}

/**
 * A client that is answered before it has sent all is cut off: it could hold the stream open for ever. Over
 * HTTP/1.1 it may go on sending for a moment: a connection closed on unread bytes is reset, and with that the
 * answer lost on its way.
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
