import type { Http2Server, Http2Stream } from "node:http2";
import { type ConnectionDrain, closeListener } from "./connection-drain.ts";
import { type Http2Connection, leave } from "./http2-connection.ts";
import type { Http2Connections } from "./http2-connections.ts";

export interface Http2Drain extends ConnectionDrain {
  /** Starts a call immediately, or after the GOAWAY if its session is about to send one. */
  accept(stream: Http2Stream, start: () => void): void;
}

/** Ends the sessions of an HTTP/2 server without losing a call of a client. */
export function createHttp2Drain(server: Http2Server, connections: Http2Connections): Http2Drain {
  return {
    accept(stream, start) {
      const connection = connections.all.get(stream.session as Http2Connection["session"]);
      if (stream.closed) return;
      if (connection?.held === undefined) start();
      else connection.held.push(() => stream.closed || start());
    },
    // A client that gets a GOAWAY now would connect to this server again. It gets one when the listener closes.
    startDraining() {},
    async drain() {
      const { closed } = await closeListener(server);
      for (const connection of connections.all.values()) void leave(connection);
      await closed;
    },
    destroy() {
      // A session that has ended leaves its socket to the peer to close.
      for (const { socket } of connections.all.values()) socket.destroy();
    },
  };
}
