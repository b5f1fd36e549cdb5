import type { Http2Server, Http2Stream, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { ConnectionPlaces } from "./connection-places.ts";
import { reset } from "./farewell.ts";
import { type Http2Connection, leave } from "./http2-connection.ts";

export interface Http2Connections {
  /** All connections, those that are being ended too. */
  readonly all: ReadonlyMap<ServerHttp2Session, Http2Connection>;
  /** @returns its connection; undefined: that is gone */
  addCall(stream: Http2Stream): Http2Connection | undefined;
}

/** How long a client that is refused may take to make the call that tells it so. */
const lingerMs = 2_000;

/** Keeps track of an HTTP/2 server's connections, and ends those without a place soon. */
export function trackHttp2Connections(server: Http2Server, places: ConnectionPlaces): Http2Connections {
  const all = new Map<ServerHttp2Session, Http2Connection>();
  const nowMs = () => performance.now();
  // Node makes the session, and reports it, while it reports the connection.
  server.prependListener("connection", (socket: Socket) => {
    // Also after its session is gone, which hears its errors until then.
    socket.on("error", () => {});
    server.once("session", (session) => {
      const connection: Http2Connection = {
        ...{ session, trustee: session, socket, open: new Set(), openedMs: nowMs(), usedMs: nowMs() },
        ...{ isRefused: false, isReady: false, isLeaving: false, held: undefined },
        end: () => (connection.open.size === 0 ? void leave(connection) : reset(socket)),
      };
      all.set(session, connection);
      session.once("close", () => all.delete(session));
      connection.isRefused = !places.take(connection);
      if (!connection.isRefused) return;
      const linger = setTimeout(() => session.close(), lingerMs);
      session.once("close", () => clearTimeout(linger));
    });
  });
  server.on("session", (session) => {
    session.once("remoteSettings", () => {
      const connection = all.get(session);
      if (connection !== undefined) connection.isReady = true;
    });
  });
  return {
    all,
    addCall(stream) {
      const connection = all.get(stream.session as ServerHttp2Session);
      if (connection === undefined) return undefined;
      connection.open.add(stream);
      stream.once("close", () => {
        connection.open.delete(stream);
        connection.usedMs = nowMs();
        places.use(connection);
        if (connection.isRefused) connection.session.close();
      });
      return connection;
    },
  };
}
