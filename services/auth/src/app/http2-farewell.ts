import type { Http2Server, Http2Stream, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { within } from "../lib/within.ts";
import { closeListener, type Farewell } from "./farewell.ts";

/**
 * A GOAWAY without error whose last stream is the highest there can be: open no more streams here, none of yours
 * is refused (RFC 9113, section 6.8).
 */
const shutdownNotice = Buffer.from("000008070000000000" + "7fffffff" + "00000000", "hex");

const idleMs = 5 * 60_000;
const closeMs = 10_000;
/** How long calls may be held back until those before them are answered. */
const holdMs = 200;
/** How long a client may take to answer a ping. */
const pingMs = 3_000;

export interface Http2Farewell extends Farewell {
  /** Starts a call, at once or when its session's client has been told to leave. */
  admit(stream: Http2Stream, start: () => void): void;
}

/** A session under way. */
interface Connection {
  readonly socket: Socket;
  readonly open: Set<Http2Stream>;
  /** Calls held back. */
  held: (() => void)[] | undefined;
}

/** Ends the sessions of an HTTP/2 server, idle ones by itself, without a client losing a call by it. */
export function createHttp2Farewell(server: Http2Server): Http2Farewell {
  const connections = new Map<ServerHttp2Session, Connection>();
  // Node makes the session, and tells of it, while it tells of the connection.
  server.prependListener("connection", (socket: Socket) => {
    server.once("session", (session) => {
      connections.set(session, { socket, open: new Set(), held: undefined });
      session.once("close", () => connections.delete(session));
    });
  });
  server.on("session", (session) => {
    session.setTimeout(idleMs, () => {
      void leave(session);
      // An open stream would keep it for ever.
      setTimeout(() => connections.get(session)?.socket.destroy(), closeMs).unref();
    });
  });

  /**
   * A client on Node fails the calls that it has begun, but not sent, when it reads a GOAWAY; after an answer there
   * often are some. So it is sent alone: new calls are held back until the client has read all answers. It is written
   * past Node: told of one by `session.goaway`, whatever its last stream, nghttp2 drops new streams unanswered, and
   * what `session.close` refuses, clients take for a fault of the server.
   */
  async function leave(session: ServerHttp2Session): Promise<void> {
    const connection = connections.get(session);
    if (connection === undefined || connection.held !== undefined || session.closed) return;
    const held: (() => void)[] = [];
    connection.held = held;
    await atMost(holdMs, Promise.all([...connection.open].map(closed)));
    await atMost(holdMs, pinged(session));
    if (!session.closed) connection.socket.write(shutdownNotice);
    connection.held = undefined;
    for (const start of held) start();
    // With the answer everything is here that the client sent before it was told.
    await atMost(pingMs, pinged(session));
    session.close();
  }
  return {
    admit(stream, start) {
      const connection = connections.get(stream.session as ServerHttp2Session);
      connection?.open.add(stream);
      stream.once("close", () => connection?.open.delete(stream));
      if (connection?.held === undefined) start();
      else connection.held.push(() => stream.closed || start());
    },
    // Its next connection would be to this server again: clients are told at the end.
    announce() {},
    async drain() {
      const { closed } = await closeListener(server);
      for (const session of connections.keys()) void leave(session);
      await closed;
    },
    destroy() {
      // A session that has ended leaves its socket to the peer to close.
      for (const { socket } of connections.values()) socket.destroy();
    },
  };
}

function closed(stream: Http2Stream): Promise<void> {
  return new Promise((resolve) => stream.once("close", resolve));
}

function pinged(session: ServerHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    if (session.destroyed) resolve();
    else session.ping(() => resolve());
  });
}

async function atMost(ms: number, outcome: Promise<unknown>): Promise<void> {
  await within(ms, "answer", outcome).catch(() => {});
}
