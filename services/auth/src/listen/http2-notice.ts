import { writeSync } from "node:fs";
import type { Socket } from "node:net";

/**
 * A GOAWAY without error and with the highest stream ID: the client must open no more streams, and none of its streams is
 * refused (RFC 9113 section 6.8).
 */
const notice = Buffer.from("000008070000000000" + "7fffffff" + "00000000", "hex");

/** The part of a socket below Node's API. Absent or negative values mean that there is no such socket. */
interface Handle {
  readonly fd?: number;
  /** Bytes that libuv has not written yet. */
  readonly writeQueueSize?: number;
}

/**
 * Asks an HTTP/2 client to leave without refusing any of its streams. Node cannot do this: after `session.goaway`, with any
 * last stream, nghttp2 drops new streams without an answer, and clients report what `session.close` refuses as an error of
 * the server.
 *
 * The socket belongs to the HTTP/2 session. If `socket.write` writes to a full socket, Node ends the process: libuv later
 * reports the write to the session, which does not wait for one (`Assertion failed: is_write_in_progress()`). So the frame
 * goes to the kernel without a wait: either the kernel takes it, or the notice is not sent. Node writes complete frames, so
 * with an empty queue the connection is between two frames.
 * @returns whether the client was asked
 */
export function sendShutdownNotice(socket: Socket): boolean {
  const { fd, writeQueueSize } = (socket as unknown as { _handle?: Handle | null })._handle ?? {};
  if (socket.destroyed || writeQueueSize !== 0 || fd === undefined || fd < 0) return false;
  try {
    if (writeSync(fd, notice) === notice.length) return true;
    // A part of a frame was written: the client can read nothing that follows.
    socket.destroy();
    return false;
  } catch {
    // The socket is full, or the client is gone.
    return false;
  }
}
