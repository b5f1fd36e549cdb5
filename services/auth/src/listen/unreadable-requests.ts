import type { Server } from "node:http";
import type { Socket } from "node:net";
import { endWith } from "./last-answer.ts";

/** Error codes of Node's parser, and the status for each. All others get 400. */
const statuses: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
  HPE_INVALID_VERSION: 505,
  HPE_PAUSED_H2_UPGRADE: 505,
};

/**
 * Answers requests that an HTTP/1.1 server cannot parse or does not support, and closes their connections.
 * @param isFree whether no response is in progress on the connection: the client would read a second one as part of the
 * first
 */
export function refuseUnreadable(server: Server, isFree: (socket: Socket) => boolean): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (socket.writable && isFree(socket)) endWith(socket, statuses[error.code ?? ""] ?? 400);
    else socket.destroy();
  });
  // Node would close the connection without a response.
  server.on("connect", (_request, socket: Socket) => {
    socket.on("error", () => {});
    if (isFree(socket)) endWith(socket, 501);
    else socket.destroy();
  });
}
