import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { closeListener, type Farewell } from "./farewell.ts";
import { endWith } from "./last-answer.ts";
import type { ConnectionCount } from "./listener-bounds.ts";

/**
 * With a 503, ends a connection without a call. A client whose next call is on its way takes this for the answer, and
 * knows that nothing was done; one without a call has to ignore it (RFC 9112, section 9.2).
 */
const goodbye = ["retry-after: 1"];

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface Http1Farewell extends Farewell {
  /** Whether a request may be answered; one on a connection that was ended may not. */
  admit(call: Call): boolean;
  /** Whether nothing is being answered on a connection, but for a request that is still coming in. */
  isFree(socket: Socket): boolean;
  readonly count: ConnectionCount;
}

/**
 * Ends the connections of an HTTP/1.1 server so that no client is left not knowing what became of its call. A connection
 * above `max` is ended in the same way: its client reads a 503.
 */
export function createHttp1Farewell(server: Server, max: number): Http1Farewell {
  const calls = new Map<Socket, Set<Call>>();
  const state = { announced: false, closing: false };
  const count = { open: 0, max, refused: 0 };
  server.on("connection", (socket) => {
    if (count.open >= max) {
      count.refused += 1;
      endWith(socket, 503, goodbye);
      return;
    }
    count.open += 1;
    calls.set(socket, new Set());
    socket.once("close", () => {
      count.open -= 1;
      calls.delete(socket);
    });
  });

  function endWhenIdle(socket: Socket): void {
    if (calls.get(socket)?.size !== 0 || !socket.writable) return;
    calls.delete(socket);
    endWith(socket, 503, goodbye);
  }
  function announce(): void {
    state.announced = true;
    for (const call of [...calls.values()].flatMap((own) => [...own])) makeLast(call);
  }
  return {
    count,
    admit(call) {
      const { request, response } = call;
      const own = calls.get(request.socket);
      if (own === undefined) return false;
      own.add(call);
      if (state.announced) makeLast(call);
      const open = new Set([request, response]);
      for (const part of open) {
        part.once("close", () => {
          open.delete(part);
          if (open.size > 0) return;
          own.delete(call);
          if (state.closing) endWhenIdle(request.socket);
        });
      }
      return true;
    },
    isFree(socket) {
      const own = [...(calls.get(socket) ?? [])];
      return own.every(({ request, response }) => !request.complete && !response.headersSent);
    },
    announce,
    async drain() {
      announce();
      const { closed } = await closeListener(server);
      state.closing = true;
      for (const socket of calls.keys()) endWhenIdle(socket);
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
