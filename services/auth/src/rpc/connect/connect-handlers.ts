import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { NodeResponse } from "../../lib/node-http.ts";
import { maxMessageBytes } from "../limits.ts";
import type { Method } from "../methods/method.ts";
import type { RpcHandler } from "../rpc-handler.ts";
import type { Validate } from "../validate.ts";
import { connectOutcomeOf } from "./errors.ts";
import { createExchange, exchangeKey, exchangeOf } from "./exchange.ts";
import { gate } from "./gate.ts";
import { gzip } from "./gzip.ts";
import { createInterceptors } from "./interceptors.ts";
import { strictJson } from "./strict-json.ts";

export interface ConnectHandlersOptions {
  readonly methods: readonly Method[];
  readonly validate: Validate;
  /** An error in writing an answer, or in framing it. */
  readonly onFault: (error: unknown) => void;
}

/** Serves RPCs by gRPC, gRPC-Web and Connect with the handlers of `@connectrpc/connect`. */
export function createConnectHandlers({ methods, validate, onFault }: ConnectHandlersOptions): RpcHandler[] {
  const router = createConnectRouter({
    interceptors: createInterceptors(validate),
    acceptCompression: [gzip],
    jsonOptions: strictJson,
    readMaxBytes: maxMessageBytes,
  });
  for (const method of methods) register(router, method);
  return router.handlers.map((handler): RpcHandler => {
    const serve = gate(handler);
    return {
      method: handler.method,
      path: handler.requestPath,
      allowedMethods: handler.allowedMethods,
      async serve(call, request, response) {
        const exchange = createExchange(call);
        const contextValues = createContextValues().set(exchangeKey, exchange);
        // A request without an authority cannot be read at all.
        let universal: ReturnType<typeof universalRequestFromNodeRequest>;
        try {
          universal = universalRequestFromNodeRequest(request, response, undefined, contextValues);
        } catch {
          response.writeHead(400);
          response.end();
          return;
        }
        endWritesAtAbort(universal.signal, response);
        try {
          await universalResponseToNodeResponse(await serve(universal, exchange), response);
        } catch (error) {
          onFault(error);
          if (!response.headersSent) response.writeHead(500);
          response.end();
        } finally {
          const error = unreported(universal.signal);
          call.finish(error, connectOutcomeOf(error));
        }
      },
    };
  });
}

/** For a call that reached no interceptor: its message never arrived, or Connect refused to read it. */
function unreported(signal: AbortSignal): ConnectError {
  return signal.aborted
    ? new ConnectError("the client hung up", Code.Canceled)
    : new ConnectError("the message was not read", Code.Unknown);
}

function register(router: ConnectRouter, method: Method): void {
  const callOf = ({ values, signal }: HandlerContext) => exchangeOf(values).call.start(signal);
  if (!("encode" in method)) {
    const { desc, handle } = method;
    router.rpc(desc, (request, context) => handle(callOf(context), request));
    return;
  }
  const { desc, handle, encode } = method;
  router.rpc(desc, async function* (request, context) {
    const isJson = /\bjson\b/i.test(context.requestHeader.get("content-type") ?? "");
    const updates = handle(callOf(context), request);
    for await (const update of updates) yield encode(update, isJson ? "json" : "binary");
  });
}

/**
 * Node reports neither success nor failure of a write to a connection that is destroyed but not yet closed. Connect
 * would wait for either forever, and the stream would never end.
 */
function endWritesAtAbort(signal: AbortSignal, response: NodeResponse): void {
  signal.addEventListener("abort", () => response.emit("drain"), { once: true });
}
