import type { Http2Server, Http2Stream, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { reset } from "./farewell.ts";
import type { ConnectionCount } from "./listener-bounds.ts";

export interface Http2Connection {
  readonly session: ServerHttp2Session;
  readonly socket: Socket;
  /** Its calls. */
  readonly open: Set<Http2Stream>;
  /** Whether it is one too many: its calls are not answered. */
  readonly isRefused: boolean;
  readonly openedMs: number;
  /** When it last had a call open; where there was none, when it was opened. */
  usedMs: number;
  /** Whether the client has sent its SETTINGS. */
  isReady: boolean;
  /** Whether the client is being asked to leave, or was. */
  isLeaving: boolean;
  /** Calls that wait until the client is asked to leave. */
  held: (() => void)[] | undefined;
}

export interface Http2Connections {
  /** All connections, those that are being ended too. */
  readonly all: ReadonlyMap<ServerHttp2Session, Http2Connection>;
  readonly count: ConnectionCount;
  /** @returns whether the call may be answered */
  addCall(stream: Http2Stream): boolean;
  /** Ends the connection of a call. */
  reset(stream: Http2Stream): void;
}

/** How long a client that is refused may take to make the call that tells it so. */
const lingerMs = 2_000;

/** Keeps track of an HTTP/2 server's connections, and ends those above `max` soon. */
export function trackHttp2Connections(server: Http2Server, max: number): Http2Connections {
  const all = new Map<ServerHttp2Session, Http2Connection>();
  const count = { open: 0, max, refused: 0 };
  const nowMs = () => performance.now();
  // Node makes the session, and reports it, while it reports the connection.
  server.prependListener("connection", (socket: Socket) => {
    // Also after its session is gone, which hears its errors until then.
    socket.on("error", () => {});
    server.once("session", (session) => {
      const isRefused = count.open >= max;
      all.set(session, {
        ...{ session, socket, open: new Set(), isRefused, openedMs: nowMs(), usedMs: nowMs() },
        ...{ isReady: false, isLeaving: false, held: undefined },
      });
      if (isRefused) {
        count.refused += 1;
        const linger = setTimeout(() => session.close(), lingerMs);
        session.once("close", () => clearTimeout(linger));
      } else {
        count.open += 1;
      }
      session.once("close", () => {
        all.delete(session);
        if (!isRefused) count.open -= 1;
      });
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
    count,
    reset(stream) {
      const connection = all.get(stream.session as ServerHttp2Session);
      if (connection !== undefined) reset(connection.socket);
    },
    addCall(stream) {
      const connection = all.get(stream.session as ServerHttp2Session);
      connection?.open.add(stream);
      stream.once("close", () => {
        connection?.open.delete(stream);
        if (connection !== undefined) connection.usedMs = nowMs();
        if (connection?.isRefused) connection.session.close();
      });
      return !connection?.isRefused;
    },
  };
}
