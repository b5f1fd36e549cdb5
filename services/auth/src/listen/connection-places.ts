import type { Socket } from "node:net";
import { takeOldest } from "../lib/take-oldest.ts";
import { reset } from "./connection-drain.ts";
import type { ConnectionCount } from "./listener-bounds.ts";
import { refusalsAtOnce } from "./listener-limits.ts";

/** A connection that needs a place. */
export interface PlacedConnection {
  readonly socket: Socket;
  /** What accepts credentials: the session over HTTP/2, otherwise the socket. */
  readonly trustee: object;
  /** Ends the connection, without losing a call if that is possible immediately, otherwise by a reset. */
  end(): void;
}

/**
 * Limits the connections of a listener. When all places are taken, a new connection replaces the least recently used
 * one among those on which no credential was accepted. So clients that only hold connections
 * do not keep others out, and a new connection has time for its first call.
 */
export interface ConnectionPlaces {
  readonly count: ConnectionCount;
  /**
   * Gives a new connection a place until its socket closes.
   * @returns false if there is none, because a credential was accepted on all other connections. It must then be ended
   */
  take(connection: PlacedConnection): boolean;
  /** A call on the connection has ended. */
  use(connection: PlacedConnection): void;
}

export function createConnectionPlaces(
  max: number,
  isTrusted: (trustee: object) => boolean,
): ConnectionPlaces {
  const placed = new Set<PlacedConnection>();
  /** Connections that a new one may replace, in the order of their last use. */
  const untrusted = new Set<PlacedConnection>();
  /** Connections without a place whose sockets are still open. Each uses a file. */
  const ending = new Set<PlacedConnection>();
  let refused = 0;

  /** Keeps the sockets below `server.maxConnections`, above which Node closes new ones without an event. */
  function letEnd(connection: PlacedConnection): void {
    ending.add(connection);
    if (ending.size < refusalsAtOnce) return;
    const [first = connection] = ending;
    ending.delete(first);
    reset(first.socket);
  }
  return {
    count: {
      max,
      get open() {
        return placed.size;
      },
      get refused() {
        return refused;
      },
    },
    take(connection) {
      connection.socket.once("close", () => {
        for (const set of [placed, untrusted, ending]) set.delete(connection);
      });
      if (placed.size >= max) {
        refused += 1;
        const oldest = takeOldest(untrusted, ({ trustee }) => isTrusted(trustee));
        if (oldest === undefined) {
          letEnd(connection);
          return false;
        }
        placed.delete(oldest);
        letEnd(oldest);
        oldest.end();
      }
      placed.add(connection);
      untrusted.add(connection);
      return true;
    },
    use(connection) {
      if (untrusted.delete(connection)) untrusted.add(connection);
    },
  };
}
