import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ConnectionPlaces, PlacedConnection } from "./connection-places.ts";
import { closeListener, type Farewell, reset } from "./farewell.ts";
import { endWith } from "./last-answer.ts";

/**
 * With a 503, ends a connection without a call. A client whose next call is on its way takes this for the answer, and
 * knows that nothing was done; one without a call has to ignore it (RFC 9112, section 9.2).
 */
const goodbye = ["retry-after: 1"];

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface Http1Connection extends PlacedConnection {
  readonly open: Set<Call>;
}

export interface Http1Farewell extends Farewell {
  /** Whether a request may be answered; one on a connection that was ended may not. */
  admit(call: Call): boolean;
  /** Whether nothing is being answered on a connection, but for a request that is still coming in. */
  isFree(socket: Socket): boolean;
}

/**
 * Ends the connections of an HTTP/1.1 server so that no client is left not knowing what became of its call. A connection
 * without a place is ended in the same way: its client reads a 503.
 */
export function createHttp1Farewell(server: Server, places: ConnectionPlaces): Http1Farewell {
  const connections = new Map<Socket, Http1Connection>();
  const state = { announced: false, closing: false };
  server.on("connection", (socket) => {
    const connection = { socket, trustee: socket, open: new Set<Call>(), end: () => makeRoom(socket) };
    if (!places.take(connection)) {
      endWith(socket, 503, goodbye);
      return;
    }
    connections.set(socket, connection);
    socket.once("close", () => connections.delete(socket));
  });

  function endWhenIdle(socket: Socket): void {
    if (connections.get(socket)?.open.size !== 0 || !socket.writable) return;
    connections.delete(socket);
    endWith(socket, 503, goodbye);
  }
  function makeRoom(socket: Socket): void {
    endWhenIdle(socket);
    if (connections.delete(socket)) reset(socket);
  }
  function announce(): void {
    state.announced = true;
    for (const call of [...connections.values()].flatMap(({ open }) => [...open])) makeLast(call);
  }
  return {
    admit(call) {
      const { request, response } = call;
      const connection = connections.get(request.socket);
      if (connection === undefined) return false;
      connection.open.add(call);
      if (state.announced) makeLast(call);
      const parts = new Set([request, response]);
      for (const part of parts) {
        part.once("close", () => {
          parts.delete(part);
          if (parts.size > 0) return;
          connection.open.delete(call);
          places.use(connection);
          if (state.closing) endWhenIdle(request.socket);
        });
      }
      return true;
    },
    isFree(socket) {
      const open = [...(connections.get(socket)?.open ?? [])];
      return open.every(({ request, response }) => !request.complete && !response.headersSent);
    },
    announce,
    async drain() {
      announce();
      const { closed } = await closeListener(server);
      state.closing = true;
      for (const socket of connections.keys()) endWhenIdle(socket);
      await closed;
    },
    destroy: () => server.closeAllConnections(),
  };
}

/**
 * Announces the end of the connection with the answer. Only once the request is read: Node resets a connection that it
 * closes on unread bytes, and the answer is lost with it.
 */
function makeLast({ request, response }: Call): void {
  const tell = () => {
    if (!response.headersSent) response.setHeader("connection", "close");
  };
  const hasBody = "content-length" in request.headers || "transfer-encoding" in request.headers;
  if (request.complete || !hasBody) tell();
  else request.once("end", tell);
}
