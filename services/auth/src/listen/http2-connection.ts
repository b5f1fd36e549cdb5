import type { Http2Stream, ServerHttp2Session } from "node:http2";
import { within } from "../lib/within.ts";
import type { PlacedConnection } from "./connection-places.ts";
import { sendShutdownNotice } from "./http2-notice.ts";

export interface Http2Connection extends PlacedConnection {
  readonly session: ServerHttp2Session;
  /** Its calls. */
  readonly open: Set<Http2Stream>;
  /** Whether the listener has no place for it. Its calls are refused. */
  isRefused: boolean;
  readonly openedMs: number;
  /** The end of its last call; the time of its opening, if it had none. */
  usedMs: number;
  /** Whether the client has sent its SETTINGS. */
  isReady: boolean;
  /** Whether the client was asked to leave, or is being asked. */
  isLeaving: boolean;
  /** Calls that wait until the client has been asked to leave. */
  held: (() => void)[] | undefined;
}

/** Maximum time that new calls wait for the answers of earlier calls. */
const holdMs = 200;
/** Maximum time for the answer to a ping. */
const pingMs = 3_000;

/**
 * Ends one connection without losing a call of its client.
 *
 * When a client on Node reads a GOAWAY, it fails the calls that it has begun and not sent. After an answer there often are
 * such calls. So new calls wait until the client has read all answers, and the GOAWAY is sent alone. A client that reads
 * nothing cannot be asked to leave, and gets the GOAWAY of `session.close`.
 */
export async function leave(connection: Http2Connection): Promise<void> {
  const { session, socket, open } = connection;
  if (connection.isLeaving || session.closed) return;
  connection.isLeaving = true;
  const held: (() => void)[] = [];
  connection.held = held;
  await atMost(holdMs, Promise.all([...open].map(closed)));
  await atMost(holdMs, pinged(connection));
  const asked = session.closed || sendShutdownNotice(socket);
  connection.held = undefined;
  for (const start of held) start();
  // When the ping is answered, everything that the client sent before the GOAWAY has arrived.
  await atMost(pingMs, pinged(connection));
  if (!asked && !session.closed && sendShutdownNotice(socket)) await atMost(pingMs, pinged(connection));
  session.close();
}

function closed(stream: Http2Stream): Promise<void> {
  return new Promise((resolve) => stream.once("close", resolve));
}

function pinged({ session }: Http2Connection): Promise<void> {
  return new Promise((resolve) => {
    if (session.destroyed) resolve();
    else session.ping(() => resolve());
  });
}

async function atMost(ms: number, outcome: Promise<unknown>): Promise<void> {
  await within(ms, "answer", outcome).catch(() => {});
}
