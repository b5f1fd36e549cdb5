import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type ConnectionDrain, closeListener, reset } from "./connection-drain.ts";
import type { ConnectionPlaces, PlacedConnection } from "./connection-places.ts";
import { endWith } from "./last-answer.ts";

/**
 * The headers of a 503 that ends an idle connection. A client whose next call is on its way reads it as the answer, and knows
 * that nothing was done. A client without a call ignores it (RFC 9112 section 9.2).
 */
const closingHeaders = ["retry-after: 1"];

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface Http1Connection extends PlacedConnection {
  readonly open: Set<Call>;
}

export interface Http1Drain extends ConnectionDrain {
  /** Adds a call. @returns false if its connection was ended: it must not be answered */
  accept(call: Call): boolean;
  /** Whether no answer is in progress on a connection. A request that is still arriving does not count. */
  isFree(socket: Socket): boolean;
}

/**
 * Ends the connections of an HTTP/1.1 server so that every client knows the outcome of its call. A connection that the
 * listener has no place for is ended in the same way: its client reads a 503.
 */
export function createHttp1Drain(server: Server, places: ConnectionPlaces): Http1Drain {
  const connections = new Map<Socket, Http1Connection>();
  const state = { isDraining: false, isClosing: false };
  server.on("connection", (socket) => {
    const connection = { socket, trustee: socket, open: new Set<Call>(), end: () => makeRoom(socket) };
    if (!places.take(connection)) {
      endWith(socket, 503, closingHeaders);
      return;
    }
    connections.set(socket, connection);
    socket.once("close", () => connections.delete(socket));
  });

  function endWhenIdle(socket: Socket): void {
    if (connections.get(socket)?.open.size !== 0 || !socket.writable) return;
    connections.delete(socket);
    endWith(socket, 503, closingHeaders);
  }
  function makeRoom(socket: Socket): void {
    endWhenIdle(socket);
    if (connections.delete(socket)) reset(socket);
  }
  function startDraining(): void {
    state.isDraining = true;
    for (const call of [...connections.values()].flatMap(({ open }) => [...open])) makeLast(call);
  }
  return {
    accept(call) {
      const { request, response } = call;
      const connection = connections.get(request.socket);
      if (connection === undefined) return false;
      connection.open.add(call);
      if (state.isDraining) makeLast(call);
      const parts = new Set([request, response]);
      for (const part of parts) {
        part.once("close", () => {
          parts.delete(part);
          if (parts.size > 0) return;
          connection.open.delete(call);
          places.use(connection);
          if (state.isClosing) endWhenIdle(request.socket);
        });
      }
      return true;
    },
    isFree(socket) {
      const open = [...(connections.get(socket)?.open ?? [])];
      return open.every(({ request, response }) => !request.complete && !response.headersSent);
    },
    startDraining,
    async drain() {
      startDraining();
      const { closed } = await closeListener(server);
      state.isClosing = true;
      for (const socket of connections.keys()) endWhenIdle(socket);
      await closed;
    },
    destroy: () => server.closeAllConnections(),
  };
}

/**
 * Announces the end of the connection in the answer, after the request is read: Node resets a connection that it closes with
 * unread bytes, and the answer is lost with it.
 */
function makeLast({ request, response }: Call): void {
  const announce = () => {
    if (!response.headersSent) response.setHeader("connection", "close");
  };
  const hasBody = "content-length" in request.headers || "transfer-encoding" in request.headers;
  if (request.complete || !hasBody) announce();
  else request.once("end", announce);
}
