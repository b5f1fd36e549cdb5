import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";

/** How long a client may take to close its side of a connection. */
const lingerMs = 2_000;

/**
 * Writes an answer without a body to an HTTP/1.1 connection that no handler answers on, and closes it. A client that
 * keeps its side open is cut off after a while: nothing else ends a connection that Node's parser has given up.
 */
export function endWith(socket: Socket, status: number, headers: readonly string[] = []): void {
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, "connection: close", "content-length: 0"];
  socket.end(`${[...head, ...headers].join("\r\n")}\r\n\r\n`);
  const cut = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(cut));
}
