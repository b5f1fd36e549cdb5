import http, { type IncomingMessage, type ServerResponse } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { refuse } from "../http/refuse.ts";
import type { NodeHandler } from "../rpc/node-types.ts";
import type { Farewell } from "./farewell.ts";
import { boundHttp1 } from "./http1-bounds.ts";
import { createHttp1Farewell } from "./http1-farewell.ts";
import { boundHttp2 } from "./http2-bounds.ts";
import { trackHttp2Connections } from "./http2-connections.ts";
import { createHttp2Farewell } from "./http2-farewell.ts";
import { type ConnectionCount, type ListenerBounds, listenerBounds } from "./listener-bounds.ts";
import { refusalsAtOnce } from "./listener-limits.ts";
import type { Address } from "./parsers/address.ts";
import type { PublicCalls } from "./public-calls.ts";
import { framingMayDiffer, settleHttp1, settleHttp2 } from "./request-form.ts";
import { refuseUnreadable } from "./unreadable-requests.ts";

/** A bound listener. */
export interface Listener extends Farewell {
  readonly url: string;
  /** Answers calls from now on; before, every one is answered 503. */
  handle(handler: NodeHandler): void;
  readonly connections: ConnectionCount;
}

export interface ListenerOptions {
  readonly maxConnections: number;
  /** Slots of calls without a credential, shared by listeners. */
  readonly publicCalls: PublicCalls;
  readonly bounds?: Partial<ListenerBounds>;
}

const maxHeaderBytes = 16 * 1024;
const maxHeaderPairs = 100;

const notReady: NodeHandler = (_, response) => refuse(response as ServerResponse, 503);

/** HTTP/1.1: Connect, gRPC-Web and plain HTTP. */
export async function listenHttp(address: Address, options: ListenerOptions): Promise<Listener> {
  let handler = notReady;
  const server = http.createServer(
    {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: 10_000,
      requestTimeout: 15_000,
      keepAliveTimeout: 60_000,
      connectionsCheckingInterval: 5_000,
    },
    (request: IncomingMessage, response: ServerResponse) => {
      if (!bounds.admit(request, response) || !farewell.admit({ request, response })) {
        request.resume();
        return;
      }
      const release = options.publicCalls.reserve(request.socket);
      if (release === undefined) {
        refuse(response.setHeader("connection", "close"), 503);
        return;
      }
      response.once("close", release);
      // Node would drop the headers above a limit in silence, the credential among them.
      const tooMany = request.rawHeaders.length > 2 * maxHeaderPairs;
      const status = tooMany ? 431 : settleHttp1(request);
      if (status === undefined) handler(request, response);
      else response.writeHead(status, framingMayDiffer(request) ? { connection: "close" } : {}).end();
    },
  );
  server.maxHeadersCount = 0;
  const bounds = boundHttp1(server, { ...listenerBounds, ...options.bounds });
  const farewell = createHttp1Farewell(server, options.maxConnections);
  refuseUnreadable(server, farewell.isFree);
  const url = await bind(server, address, options.maxConnections);
  return {
    ...farewell,
    url,
    connections: farewell.count,
    handle: (next) => {
      handler = next;
    },
  };
}

/** HTTP/2 without TLS: gRPC and Connect. */
export async function listenGrpc(address: Address, options: ListenerOptions): Promise<Listener> {
  let handler = notReady;
  const server = http2.createServer(
    {
      // Node allows 2^32 - 1 streams, and waits for ever.
      settings: { maxConcurrentStreams: 128, maxHeaderListSize: maxHeaderBytes },
      maxHeaderListPairs: maxHeaderPairs,
      maxSessionMemory: 10,
      // A proxy whose calls time out together cancels 128 at once and tries again at once. Lower bounds end its
      // connection, and with it the calls of all its clients. A refused stream costs nothing and may be tried again.
      streamResetBurst: 1_000,
      streamResetRate: 33,
      maxSessionRejectedStreams: 1_000,
    },
    (request, response) => {
      const { stream } = request;
      if (stream.session === undefined) return;
      const mayBeAnswered = connections.addCall(stream);
      const release = mayBeAnswered ? options.publicCalls.reserve(stream.session) : undefined;
      if (release === undefined) {
        const refused = options.publicCalls.reserveRefusal();
        if (refused === undefined) {
          connections.reset(stream);
          return;
        }
        stream.once("close", refused);
        // Not REFUSED_STREAM, which Connect's client takes for a fault of the server.
        refuse(response as unknown as ServerResponse, 503);
        stream.close();
        return;
      }
      stream.once("close", release);
      farewell.admit(stream, () => {
        const status = settleHttp2(request);
        if (status === undefined) handler(request, response);
        else response.writeHead(status).end();
      });
    },
  );
  server.on("session", (session) => session.on("error", () => session.destroy()));
  server.on("stream", (stream) => stream.on("error", () => stream.close()));
  const connections = trackHttp2Connections(server, options.maxConnections);
  const farewell = createHttp2Farewell(server, connections);
  const bounds = { ...listenerBounds, ...options.bounds };
  boundHttp2({ server, connections, bounds, leave: farewell.leave });
  const url = await bind(server, address, options.maxConnections);
  return {
    ...farewell,
    url,
    connections: connections.count,
    handle: (next) => {
      handler = next;
    },
  };
}

async function bind(
  server: http.Server | http2.Http2Server,
  { host, port }: Address,
  maxConnections: number,
): Promise<string> {
  // Above that a connection is closed at once: refusals take files too.
  server.maxConnections = maxConnections + refusalsAtOnce;
  // A peer that breaks off is no reason to end.
  server.on("sessionError", () => {});
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      server.on("error", () => {});
      resolve();
    });
  });
  const bound = server.address() as AddressInfo;
  return `http://${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
}
