import type { Http2Server, Http2Stream } from "node:http2";
import { within } from "../lib/within.ts";
import { closeListener, type Farewell } from "./farewell.ts";
import type { Http2Connection, Http2Connections } from "./http2-connections.ts";
import { sendShutdownNotice } from "./http2-notice.ts";

/** How long calls may be held back until those before them are answered. */
const holdMs = 200;
/** How long a client may take to answer a ping. */
const pingMs = 3_000;

export interface Http2Farewell extends Farewell {
  /** Starts a call, at once or when its session's client has been told to leave. */
  admit(stream: Http2Stream, start: () => void): void;
  /** Ends one connection. */
  leave(connection: Http2Connection): void;
}

/** Ends the sessions of an HTTP/2 server without a client losing a call by it. */
export function createHttp2Farewell(server: Http2Server, connections: Http2Connections): Http2Farewell {
  /**
   * A client on Node fails the calls that it has begun, but not sent, when it reads a GOAWAY; after an answer there
   * often are some. So it is sent alone: new calls are held back until the client has read all answers. A client that
   * cannot be asked to leave, since it reads nothing, gets the GOAWAY of `session.close`.
   */
  async function leave(connection: Http2Connection): Promise<void> {
    const { session, socket, open } = connection;
    if (connection.isLeaving || session.closed) return;
    connection.isLeaving = true;
    const held: (() => void)[] = [];
    connection.held = held;
    await atMost(holdMs, Promise.all([...open].map(closed)));
    await atMost(holdMs, pinged(connection));
    const asked = session.closed || sendShutdownNotice(socket);
    connection.held = undefined;
    for (const start of held) start();
    // With the answer everything is here that the client sent before it was told.
    await atMost(pingMs, pinged(connection));
    if (!asked && !session.closed && sendShutdownNotice(socket)) await atMost(pingMs, pinged(connection));
    session.close();
  }
  return {
    admit(stream, start) {
      const connection = connections.all.get(stream.session as Http2Connection["session"]);
      if (connection?.held === undefined) start();
      else connection.held.push(() => stream.closed || start());
    },
    leave: (connection) => void leave(connection),
    // Its next connection would be to this server again: clients are told at the end.
    announce() {},
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

function closed(stream: Http2Stream): Promise<void> {
  return new Promise((resolve) => stream.once("close", resolve));
}

function pinged({ session }: Http2Connection): Promise<void> {
  return new Promise((resolve) => {
    if (session.destroyed) resolve();
    else session.ping(() => resolve());
  });
}

async function atMost(ms: number, outcome: Promise<unknown>): Promise<void> {
  await within(ms, "answer", outcome).catch(() => {});
}
