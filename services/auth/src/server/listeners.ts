import type { IncomingMessage, ServerResponse } from "node:http";
import type { Config } from "../config/config.ts";
import { createOpsRoutes, type OpsDeps } from "../http/ops.ts";
import type { NodeHandler } from "../lib/node-http.ts";
import type { ListenerLimits } from "../listen/listener-limits.ts";
import { type Listener, listenGrpc, listenHttp } from "../listen/listeners.ts";
import { createPublicCalls, type PublicCalls } from "../listen/public-calls.ts";
import type { Events } from "../telemetry/events.ts";

export interface ListenersOptions {
  readonly limits: ListenerLimits;
  readonly publicCalls: PublicCalls;
  readonly ops: OpsDeps;
  readonly events: Pick<Events, "opsFailed">;
}

/** The three listeners of a server. Disposing of them drains them; the operator's listener closes last. */
export interface Listeners extends AsyncDisposable {
  readonly all: Readonly<Record<"http" | "grpc" | "ops", Listener>>;
  readonly urls: Readonly<Record<"http" | "grpc" | "ops", string>>;
  /** Answers calls from now on. Before, every call is answered 503. */
  handle(handler: NodeHandler): void;
  /** Asks clients to send their next calls to another server, before the drain. */
  startDraining(): void;
}

/** Opens all listeners. The operator's listener answers immediately. */
export async function openListeners(
  config: Pick<Config, "http" | "grpc" | "ops" | "drainTimeoutMs">,
  { limits, publicCalls, ops: opsDeps, events }: ListenersOptions,
): Promise<Listeners> {
  await using opened = new AsyncDisposableStack();
  const ops = await listenHttp(config.ops, {
    maxConnections: limits.opsConnections,
    publicCalls: createPublicCalls(Number.POSITIVE_INFINITY),
  });
  opened.defer(() => drain(ops, 0));
  ops.handle(opsHandler(opsDeps, events));
  const options = { maxConnections: limits.connections, publicCalls };
  const http = await listenHttp(config.http, options);
  opened.defer(() => drain(http, config.drainTimeoutMs));
  const grpc = await listenGrpc(config.grpc, options);
  const ofClients = [http, grpc];
  opened.defer(async () => {
    await Promise.all(ofClients.map((listener) => drain(listener, config.drainTimeoutMs)));
  });
  const running = opened.move();
  return {
    all: { http, grpc, ops },
    urls: { http: http.url, grpc: grpc.url, ops: ops.url },
    handle(handler) {
      for (const listener of ofClients) listener.handle(handler);
    },
    startDraining() {
      for (const listener of ofClients) listener.startDraining();
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function opsHandler(deps: OpsDeps, events: Pick<Events, "opsFailed">): NodeHandler {
  const routes = createOpsRoutes(deps);
  return (request, response) => {
    routes(request as IncomingMessage, response as ServerResponse).catch((error: unknown) => {
      events.opsFailed(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  };
}

/** Lets a listener finish its calls, and cuts off what is left after `graceMs`. May be called more than once. */
async function drain(listener: Listener, graceMs: number): Promise<void> {
  // Repeated, because the listener may take connections until it is closed.
  const cut = setInterval(() => listener.destroy(), graceMs);
  await listener.drain();
  clearInterval(cut);
}
