import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createStallClock } from "../lib/stall-clock.ts";
import { reset } from "./connection-drain.ts";
import type { ListenerBounds } from "./listener-bounds.ts";

/** Maximum number of requests that wait for their answers on one connection. Node sets no limit. */
const maxPipelined = 16;

export interface Http1Bounds {
  /** Counts a request. @returns false if there are too many on its connection, which is then ended */
  accept(request: IncomingMessage, response: ServerResponse): boolean;
}

/** Ends HTTP/1.1 connections that hold answers without reading them, or too many calls. */
export function boundHttp1(server: Server, bounds: ListenerBounds): Http1Bounds {
  const open = new Map<Socket, Set<ServerResponse>>();
  const stalls = createStallClock();
  const checks = setInterval(() => {
    const nowMs = performance.now();
    for (const [socket, responses] of open) {
      for (const response of responses) {
        const { writableEnded } = response;
        const writer = { writableLength: socket.writableLength, writableEnded };
        if (stalls.stalledMs(response, writer, nowMs) > bounds.unreadMs) reset(socket);
      }
    }
  }, bounds.checkEveryMs).unref();
  server.once("close", () => clearInterval(checks));
  return {
    accept({ socket }, response) {
      const own = open.get(socket) ?? new Set();
      if (own.size === 0) open.set(socket, own);
      own.add(response);
      response.once("close", () => {
        own.delete(response);
        if (own.size === 0) open.delete(socket);
      });
      if (own.size > maxPipelined) socket.destroy();
      return !socket.destroyed;
    },
  };
}
