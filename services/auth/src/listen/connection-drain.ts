import { Server, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/** Drains a listener's connections. */
export interface ConnectionDrain {
  /** Asks clients to send their next calls to another server. Calls that still arrive are answered. */
  startDraining(): void;
  /** Accepts no new connection, and resolves when every open call is answered and every connection has ended. */
  drain(): Promise<void>;
  /** Ends the remaining connections. */
  destroy(): void;
}

/** Maximum number of turns of the event loop before the listener closes. Each accepts one connection from the kernel's queue. */
const maxTurns = 1_000;
/** A shorter turn, in milliseconds, did nothing but check for connections. */
const emptyTurnMs = 0.1;

/** Stops listening. @returns `closed`: resolves when every connection has ended */
export async function closeListener(server: Server): Promise<{ readonly closed: Promise<void> }> {
  await acceptWaiting(server);
  // `close` of http and http2 would first end connections in ways that lose a call that is on its way.
  const closed = new Promise<void>((resolve) => Server.prototype.close.call(server, () => resolve()));
  return { closed };
}

/**
 * Accepts the connections that wait in the kernel. The kernel resets them when their listener closes. A connection that
 * arrives between the last check and the closing is lost, so that time must be short.
 */
async function acceptWaiting(server: Server): Promise<void> {
  let hasAccepted = false;
  const onConnection = () => {
    hasAccepted = true;
  };
  server.on("connection", onConnection);
  for (let turn = 0; turn < maxTurns; turn += 1) {
    hasAccepted = false;
    const began = performance.now();
    await nextTurn();
    if (!hasAccepted && performance.now() - began < emptyTurnMs) break;
  }
  server.off("connection", onConnection);
}

/**
 * Resets the connection of a client that does not read. After a normal close, the kernel would keep the unread data, up to
 * several megabytes per connection, until the client reads it.
 */
export function reset(socket: Socket): void {
  // Node cannot reset a socket that is being shut down, and would leave it open.
  if (socket.destroyed || socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
