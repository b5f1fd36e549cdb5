import type { Http2Server, Http2Stream, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { reset } from "./connection-drain.ts";
import type { ConnectionPlaces } from "./connection-places.ts";
import { type Http2Connection, leave } from "./http2-connection.ts";

export interface Http2Connections {
  /** All connections, also those that are being ended. */
  readonly all: ReadonlyMap<ServerHttp2Session, Http2Connection>;
  /** @returns the connection of the stream; undefined if it is gone */
  addCall(stream: Http2Stream): Http2Connection | undefined;
}

/** Maximum time in which a refused client can make a call, whose answer shows the refusal. */
const lingerMs = 2_000;

/** Tracks an HTTP/2 server's connections, and ends those that the listener has no place for after a short time. */
export function trackHttp2Connections(server: Http2Server, places: ConnectionPlaces): Http2Connections {
  const all = new Map<ServerHttp2Session, Http2Connection>();
  const nowMs = () => performance.now();
  // Node creates and reports the session during its report of the connection.
  server.prependListener("connection", (socket: Socket) => {
    // Also for errors after the end of its session.
    socket.on("error", () => {});
    server.once("session", (session) => {
      const connection: Http2Connection = {
        session,
        trustee: session,
        socket,
        open: new Set(),
        openedMs: nowMs(),
        usedMs: nowMs(),
        isRefused: false,
        isReady: false,
        isLeaving: false,
        held: undefined,
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
