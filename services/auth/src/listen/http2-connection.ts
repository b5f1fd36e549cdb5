import type { Http2Stream, ServerHttp2Session } from "node:http2";
import { within } from "../lib/within.ts";
import type { PlacedConnection } from "./connection-places.ts";
import { sendShutdownNotice } from "./http2-notice.ts";

export interface Http2Connection extends PlacedConnection {
  readonly session: ServerHttp2Session;
  /** Its calls. */
  readonly open: Set<Http2Stream>;
  /** Whether it is one too many: its calls are not answered. */
  isRefused: boolean;
  readonly openedMs: number;
  /** When it last had a call open; where there was none, when it was opened. */
  usedMs: number;
  /** Whether the client has sent its SETTINGS. */
  isReady: boolean;
  /** Whether the client is being asked to leave, or was. */
  isLeaving: boolean;
  /** Calls that wait until the client is asked to leave. */
  held: (() => void)[] | undefined;
}

/** How long calls may be held back until those before them are answered. */
const holdMs = 200;
/** How long a client may take to answer a ping. */
const pingMs = 3_000;

/**
 * Ends one connection without its client losing a call by it.
 *
 * A client on Node fails the calls that it has begun, but not sent, when it reads a GOAWAY; after an answer there
 * often are some. So it is sent alone: new calls are held back until the client has read all answers. A client that
 * cannot be asked to leave, since it reads nothing, gets the GOAWAY of `session.close`.
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
