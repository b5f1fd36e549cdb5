import { constants, type Http2Server } from "node:http2";
import { createStallClock } from "../lib/stall-clock.ts";
import { reset } from "./connection-drain.ts";
import { type Http2Connection, leave } from "./http2-connection.ts";
import type { Http2Connections } from "./http2-connections.ts";
import type { ListenerBounds } from "./listener-bounds.ts";

interface Ping {
  sentMs: number;
  isAnswered: boolean;
}

export interface Http2BoundsOptions {
  readonly server: Http2Server;
  readonly connections: Http2Connections;
  readonly bounds: ListenerBounds;
}

/**
 * Ends sessions and streams that a client holds without using them. Node has no limit for these: a session without a preface,
 * a session that only pings keep open, and an answer that the client does not read.
 */
export function boundHttp2({ server, connections, bounds }: Http2BoundsOptions): void {
  const stalls = createStallClock();
  const pings = new WeakMap<Http2Connection, Ping>();
  /** The time at which a connection was first found ended and without calls. */
  const endedMs = new WeakMap<Http2Connection, number>();
  const checks = setInterval(() => {
    for (const connection of connections.all.values()) check(connection, performance.now());
  }, bounds.checkEveryMs).unref();
  server.once("close", () => clearInterval(checks));

  function check(connection: Http2Connection, nowMs: number): void {
    const { session, socket, open } = connection;
    if (open.size === 0) {
      if (session.closed) {
        if (isOver(connection, nowMs)) reset(socket);
      } else if (!connection.isReady) {
        if (nowMs - connection.openedMs > bounds.settingsMs) reset(socket);
      } else if (nowMs - connection.usedMs > bounds.idleMs) {
        void leave(connection);
      }
      return;
    }
    for (const stream of open) {
      const stalledMs = stalls.stalledMs(stream, stream, nowMs);
      if (stalledMs <= bounds.unreadMs) continue;
      stream.close(constants.NGHTTP2_CANCEL);
      // If the client does not read, the end of the stream waits too.
      if (stalledMs > bounds.unreadMs + bounds.closeMs) reset(socket);
    }
    if (!isAnswering(connection, nowMs)) reset(socket);
  }

  /** Whether a session without calls was ended long ago: its client may read nothing, or leave the socket open. */
  function isOver(connection: Http2Connection, nowMs: number): boolean {
    const sinceMs = endedMs.get(connection) ?? nowMs;
    endedMs.set(connection, sinceMs);
    return nowMs - sinceMs > bounds.closeMs;
  }

  /** Pings a client with open calls. A client that reads nothing, or is gone, does not answer. */
  function isAnswering(connection: Http2Connection, nowMs: number): boolean {
    const last = pings.get(connection);
    if (last !== undefined && !last.isAnswered) return nowMs - last.sentMs <= bounds.unreadMs;
    if (nowMs - (last?.sentMs ?? connection.openedMs) < bounds.pingEveryMs) return true;
    const ping = { sentMs: nowMs, isAnswered: false };
    pings.set(connection, ping);
    if (!connection.session.destroyed) {
      connection.session.ping((error) => {
        ping.isAnswered = error === null;
      });
    }
    return true;
  }
}
