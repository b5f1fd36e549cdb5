import { writeSync } from "node:fs";
import type { Socket } from "node:net";

/**
 * A GOAWAY without error whose last stream is the highest there can be: open no more streams here, none of yours
 * is refused (RFC 9113, section 6.8).
 */
const notice = Buffer.from("000008070000000000" + "7fffffff" + "00000000", "hex");

/** The part of a socket below Node's API that is used; both are absent or negative where there is no such socket. */
interface Handle {
  readonly fd?: number;
  /** Bytes that were given to libuv and that it has not written yet. */
  readonly writeQueueSize?: number;
}

/**
 * Asks an HTTP/2 client to leave without refusing a stream of its own. Node cannot: after `session.goaway`, whatever
 * its last stream, nghttp2 drops new streams unanswered, and what `session.close` refuses, clients take for a fault of
 * the server.
 *
 * The socket belongs to the HTTP/2 session. Written to by `socket.write`, a full socket ends the process: libuv reports
 * the write to the session later, which is not waiting for one (`Assertion failed: is_write_in_progress()`). So the
 * frame goes to the kernel without a wait: the kernel takes it, or the notice is not sent. Node writes whole frames, so
 * with nothing queued the connection is between two frames.
 * @returns whether the client was asked
 */
export function sendShutdownNotice(socket: Socket): boolean {
  const { fd, writeQueueSize } = (socket as unknown as { _handle?: Handle | null })._handle ?? {};
  if (socket.destroyed || writeQueueSize !== 0 || fd === undefined || fd < 0) return false;
  try {
    if (writeSync(fd, notice) === notice.length) return true;
    // Half a frame: nothing that follows can be read.
    socket.destroy();
    return false;
  } catch {
    // The socket is full, or the client is gone.
    return false;
  }
}
