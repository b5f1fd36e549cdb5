import type { Server } from "node:http";
import type { Socket } from "node:net";
import { endWith } from "./last-answer.ts";

/** What Node's parser says, and the status that tells the client so; everything else is 400. */
const statuses: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
  HPE_INVALID_VERSION: 505,
  HPE_PAUSED_H2_UPGRADE: 505,
};

/**
 * Answers requests that an HTTP/1.1 server cannot read or does not serve as such, and closes their connections.
 * @param isFree whether nothing is being answered on a connection: a second answer would be taken for a part of the first
 */
export function refuseUnreadable(server: Server, isFree: (socket: Socket) => boolean): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (socket.writable && isFree(socket)) endWith(socket, statuses[error.code ?? ""] ?? 400);
    else socket.destroy();
  });
  // Node would close the connection without a word.
  server.on("connect", (_request, socket: Socket) => {
    socket.on("error", () => {});
    if (isFree(socket)) endWith(socket, 501);
    else socket.destroy();
  });
}
