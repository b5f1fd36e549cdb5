import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { connectRaw, deafToPings, get, type RawHttp2, windowUpdate } from "../support/clients/raw-http2.ts";
import { peerSendQueue } from "../support/clients/send-queue.ts";
import { poll } from "../support/poll.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { startServer } from "../support/servers/server-process.ts";

const JWKS = "/.well-known/jwks.json";
/** Requests sent at once. A connection may have 128 open streams, so two bursts fit into a full one. */
const burst = 40;
/** How long a burst may take to show in the server's send queue. */
const burstMs = 500;
/** What the kernel of the server takes at least. */
const leastQueue = 1_000_000;

/** Asks for the public keys without reading the answers, until the server can write nothing more. */
async function fill(client: RawHttp2): Promise<void> {
  await poll("settings", 20_000, async () => (client.frames.length > 0 ? true : undefined));
  client.stopReading();
  client.write(windowUpdate(0, 2 ** 30));
  let stream = 1;
  for (;;) {
    const before = peerSendQueue(client.socket);
    client.write(...Array.from({ length: burst }, (_, index) => get(stream + 2 * index, JWKS)));
    stream += 2 * burst;
    const isStuck = !(await growsBeyond(client, before));
    if (isStuck && before > leastQueue) return;
  }
}

/** Whether the server's send queue grows within `burstMs`. */
async function growsBeyond({ socket }: RawHttp2, before: number): Promise<boolean> {
  const untilMs = performance.now() + burstMs;
  while (performance.now() < untilMs) {
    if (peerSendQueue(socket) > before) return true;
    await delay(25);
  }
  return false;
}

describe.runIf(process.platform === "linux")("the server is not crashed", () => {
  test("by a client without a credential that fills its connection and reads again during the drain", {
    timeout: 120_000,
  }, async () => {
    await using database = await createDatabase();
    await using server = await startServer({ databaseUrl: database.url });
    using client = await connectRaw(server.grpc);
    await fill(client);
    using witness = await connectRaw(server.grpc, { onFrame: deafToPings });
    const exit = server.stop();
    // All are asked to leave at once: when this one is ended, the other has been asked, or could not be.
    await witness.closed;
    client.read();
    expect(await exit).toBe(0);
  });
});
