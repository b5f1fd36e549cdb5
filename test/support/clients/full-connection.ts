import { poll } from "../poll.ts";
import { connectRaw, get, type RawHttp2, settings, windowUpdate } from "./raw-http2.ts";
import { peerSendQueue } from "./send-queue.ts";

const timeoutMs = 20_000;

async function until(what: string, is: () => boolean): Promise<void> {
  await poll(what, timeoutMs, async () => (is() ? true : undefined));
}

/** A client whose windows are open and whose connection is full, with an answer on its way. */
export async function connectFull(url: string): Promise<RawHttp2> {
  const client = await connectRaw(url, { first: settings(2 ** 31 - 1) });
  await until("settings", () => client.frames.length > 1);
  client.stopReading();
  client.write(windowUpdate(0, 2 ** 30), get(1, "/20000000"));
  let last = -1;
  await until("the connection is full", () => {
    const now = peerSendQueue(client.socket);
    const isFull = now > 0 && now === last;
    last = now;
    return isFull;
  });
  return client;
}

/** What the kernel of the server takes at least. */
const leastQueue = 1_000_000;

/** A client with unanswered calls that stops reading, and whose connection is full. Node reads nothing more from it then. */
export async function connectStuck(url: string, unanswered: number): Promise<RawHttp2> {
  const client = await connectRaw(url, { first: settings(2 ** 31 - 1) });
  await until("settings", () => client.frames.length > 1);
  client.stopReading();
  client.write(windowUpdate(0, 2 ** 30));
  client.write(...Array.from({ length: unanswered }, (_, index) => get(2 * index + 1, "/later")));
  let before = -1;
  for (let stream = 2 * unanswered + 1; ; stream += 2) {
    client.write(get(stream, "/2000000"));
    const seen: number[] = [];
    await until("the queue stops growing", () => {
      seen.push(peerSendQueue(client.socket));
      return (seen.at(-1) ?? 0) > 0 && new Set(seen.slice(-4)).size === 1 && seen.length >= 4;
    });
    const now = seen.at(-1) ?? 0;
    if (now === before && now > leastQueue) return client;
    before = now;
  }
}

/** Whether the server has ended the connection. A client that does not read cannot see this. */
export function isGone(client: RawHttp2): boolean {
  try {
    peerSendQueue(client.socket);
    return false;
  } catch {
    return true;
  }
}
