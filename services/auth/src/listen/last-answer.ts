import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";

/** Maximum time that a client can take to close its side of a connection. */
const lingerMs = 2_000;

/**
 * Writes a response without a body to an HTTP/1.1 connection that no handler uses, and closes the connection. If the
 * client keeps its side open, the socket is destroyed after `lingerMs`: nothing else ends a connection that Node's parser
 * has abandoned.
 */
export function endWith(socket: Socket, status: number, headers: readonly string[] = []): void {
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, "connection: close", "content-length: 0"];
  socket.end(`${[...head, ...headers].join("\r\n")}\r\n\r\n`);
  const cut = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(cut));
}
