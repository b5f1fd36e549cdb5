import http, { type IncomingMessage, type ServerResponse } from "node:http";
import http2, { constants, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Address } from "../lib/address.ts";
import type { NodeHandler } from "../lib/node-http.ts";
import { refuse } from "../lib/refuse.ts";
import { type ConnectionDrain, reset } from "./connection-drain.ts";
import { createConnectionPlaces } from "./connection-places.ts";
import { boundHttp1 } from "./http1-bounds.ts";
import { createHttp1Drain } from "./http1-drain.ts";
import { boundHttp2 } from "./http2-bounds.ts";
import type { Http2Connection } from "./http2-connection.ts";
import { trackHttp2Connections } from "./http2-connections.ts";
import { createHttp2Drain } from "./http2-drain.ts";
import { closeWhenLate } from "./late-request.ts";
import { type ConnectionCount, type ListenerBounds, listenerBounds } from "./listener-bounds.ts";
import { refusalsAtOnce } from "./listener-limits.ts";
import type { PublicCall, PublicCalls } from "./public-calls.ts";
import { framingMayDiffer, settleHttp1, settleHttp2 } from "./request-form.ts";
import { refuseUnreadable } from "./unreadable-requests.ts";

/** A bound listener. */
export interface Listener extends ConnectionDrain {
  readonly url: string;
  /** Answers calls from now on. Before, every call is answered 503. */
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
      if (!bounds.accept(request, response) || !drain.accept({ request, response })) {
        request.resume();
        return;
      }
      const call = http1Call(request, response, () => {
        // Node would silently drop the headers above a limit, possibly the credential.
        const tooMany = request.rawHeaders.length > 2 * maxHeaderPairs;
        const status = tooMany ? 431 : settleHttp1(request);
        if (status === undefined) handler(request, response);
        else response.writeHead(status, framingMayDiffer(request) ? { connection: "close" } : {}).end();
      });
      response.once("close", options.publicCalls.open(call));
    },
  );
  server.maxHeadersCount = 0;
  const bounds = boundHttp1(server, { ...listenerBounds, ...options.bounds });
  const places = createConnectionPlaces(options.maxConnections, options.publicCalls.isTrusted);
  const drain = createHttp1Drain(server, places);
  refuseUnreadable(server, drain.isFree);
  const url = await bind(server, address, options.maxConnections);
  return {
    ...drain,
    url,
    connections: places.count,
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
      // Node's default is 2^32 - 1 streams.
      settings: { maxConcurrentStreams: 128, maxHeaderListSize: maxHeaderBytes },
      maxHeaderListPairs: maxHeaderPairs,
      maxSessionMemory: 10,
      // A proxy whose calls time out together cancels 128 of them and retries immediately. Lower limits would end its
      // connection, and with it the calls of all its clients. A refused stream costs nothing and can be retried.
      streamResetBurst: 1_000,
      streamResetRate: 33,
      maxSessionRejectedStreams: 1_000,
    },
    (request, response) => {
      const { stream } = request;
      const connection = connections.addCall(stream);
      if (connection === undefined) return;
      const start = () => {
        const status = settleHttp2(request);
        closeWhenLate(request);
        if (status === undefined) handler(request, response);
        else response.writeHead(status).end();
      };
      const call = http2Call(response, connection, () => drain.accept(stream, start));
      const { publicCalls } = options;
      stream.once("close", connection.isRefused ? publicCalls.refuse(call) : publicCalls.open(call));
    },
  );
  server.on("session", (session) => session.on("error", () => session.destroy()));
  server.on("stream", (stream) => stream.on("error", () => stream.close()));
  const places = createConnectionPlaces(options.maxConnections, options.publicCalls.isTrusted);
  const connections = trackHttp2Connections(server, places);
  const drain = createHttp2Drain(server, connections);
  const bounds = { ...listenerBounds, ...options.bounds };
  boundHttp2({ server, connections, bounds });
  const url = await bind(server, address, options.maxConnections);
  return {
    ...drain,
    url,
    connections: places.count,
    handle: (next) => {
      handler = next;
    },
  };
}

function http1Call({ socket }: IncomingMessage, response: ServerResponse, start: () => void): PublicCall {
  return {
    connection: socket,
    start,
    refuse() {
      if (response.headersSent) reset(socket);
      else refuse(response.setHeader("connection", "close"), 503);
    },
    reset: () => reset(socket),
  };
}

function http2Call(
  response: Http2ServerResponse,
  { session, socket }: Http2Connection,
  start: () => void,
): PublicCall {
  return {
    connection: session,
    start,
    refuse() {
      const { stream } = response;
      if (stream.headersSent) {
        stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
        return;
      }
      // Not REFUSED_STREAM, which Connect's client reports as an internal error of the server.
      refuse(response as unknown as ServerResponse, 503);
      stream.close();
    },
    reset: () => reset(socket),
  };
}

async function bind(
  server: http.Server | http2.Http2Server,
  { host, port }: Address,
  maxConnections: number,
): Promise<string> {
  // Above this number Node closes a connection immediately, because refusals use files too.
  server.maxConnections = maxConnections + refusalsAtOnce;
  // A client that breaks its connection must not end the process.
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
