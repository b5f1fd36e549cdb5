import { Server, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/** How a listener takes leave of its clients. */
export interface Farewell {
  /** Asks clients to make their next calls elsewhere; those that come here are answered all the same. */
  announce(): void;
  /** Takes no new connection, and resolves when every call on the old ones is answered and they have ended. */
  drain(): Promise<void>;
  /** Ends what is left. */
  destroy(): void;
}

/** Turns of the event loop that closing waits for a good one; each takes one connection from the kernel's queue. */
const mostTurns = 1_000;
/** A turn that was shorter, in milliseconds, did nothing but look for connections. */
const emptyTurnMs = 0.1;

/** Stops listening; what `closed` holds resolves when every connection has ended. */
export async function closeListener(server: Server): Promise<{ readonly closed: Promise<void> }> {
  await acceptWaiting(server);
  // The `close` of http and http2 would first end connections in ways that lose a call on its way here.
  const closed = new Promise<void>((resolve) => Server.prototype.close.call(server, () => resolve()));
  return { closed };
}

/**
 * Takes the connections that wait in the kernel, which resets them when their listener closes. One that comes between
 * the last look and the closing is lost all the same, so that has to be short.
 */
async function acceptWaiting(server: Server): Promise<void> {
  let came = false;
  const onConnection = () => {
    came = true;
  };
  server.on("connection", onConnection);
  for (let turn = 0; turn < mostTurns; turn += 1) {
    came = false;
    const began = performance.now();
    await nextTurn();
    if (!came && performance.now() - began < emptyTurnMs) break;
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
