import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { connectFull, isGone } from "../support/clients/full-connection.ts";
import {
  connectRaw,
  deafToPings,
  FRAME,
  get,
  goaways,
  type Http2Frame,
  ping,
  settings,
} from "../support/clients/raw-http2.ts";
import { poll } from "../support/poll.ts";
import { startStation } from "../support/servers/station.ts";

const timeoutMs = 20_000;
const NO_ERROR = 0;
const LAST_STREAM = 2 ** 31 - 1;

async function until(what: string, is: () => boolean): Promise<void> {
  await poll(what, timeoutMs, async () => (is() ? true : undefined));
}

describe.runIf(process.platform === "linux")("an HTTP/2 server is not crashed", () => {
  test("by clients that do not read while it drains, and read again at any moment", async () => {
    await using station = await startStation("grpc");
    const clients = await Promise.all(Array.from({ length: 6 }, () => connectFull(station.url)));
    // Its client has been asked to leave and does not answer: then the others have been, or cannot be.
    using witness = await connectRaw(station.url, { onFrame: deafToPings });
    await until("settings", () => witness.frames.length > 1);
    station.drain();
    const [first, second, third, fourth] = clients;
    first?.read();
    await until("a client is asked to leave", () => goaways(witness).length > 0);
    second?.read();
    await nextTurn();
    third?.read();
    await until("a client is refused", () => goaways(witness).length > 1 || witness.isClosed());
    fourth?.read();
    await until("those that read have all of their answer", () =>
      clients.slice(0, 4).every((client) => client.isClosed()),
    );
    for (const client of clients.slice(0, 4)) {
      const bytes = client.frames
        .filter(({ type, stream }) => type === FRAME.data && stream === 1)
        .reduce((sum, { payload }) => sum + payload.length, 0);
      expect(bytes).toBe(20_000_000);
    }
    for (const client of clients.slice(4)) client[Symbol.dispose]();
    expect(await station.exit).toBe(0);
  });

  test("by a client that reads a little at a time while it drains", async () => {
    await using station = await startStation("grpc");
    using client = await connectFull(station.url);
    client.socket.on("data", () => {
      client.stopReading();
      setImmediate(client.read);
    });
    station.drain();
    client.read();
    expect(await station.exit).toBe(0);
  });

  test("by a client that answers pings and gives its calls no window", async () => {
    await using station = await startStation("grpc", { unreadMs: 1_000, checkEveryMs: 50 });
    using client = await connectRaw(station.url, { first: settings(0) });
    client.write(...Array.from({ length: 100 }, (_, index) => get(2 * index + 1, "/10000")));
    await until("all are being answered", () => client.frames.filter(isHeaders).length === 100);
    station.drain();
    await until("it is asked to leave", () => goaways(client).length > 0);
    expect(goaways(client)[0]).toEqual({ code: NO_ERROR, last: LAST_STREAM });
    expect(await station.exit).toBe(0);
  });

  test("by a client that pings all the time while it drains", async () => {
    await using station = await startStation("grpc");
    using client = await connectRaw(station.url);
    await until("settings", () => client.frames.length > 1);
    client.stopReading();
    station.drain();
    for (let round = 0; round < 200 && !client.isClosed(); round += 1) {
      client.write(...Array.from({ length: 50 }, () => ping()));
      await nextTurn();
      if (round % 20 === 0) client.read();
      if (round % 20 === 1) client.stopReading();
    }
    client.read();
    expect(await station.exit).toBe(0);
  });

  test("by a client that does not read when its connection has been idle for too long", async () => {
    await using station = await startStation("grpc", {
      idleMs: 200,
      checkEveryMs: 20,
      unreadMs: 300,
      closeMs: 300,
    });
    using full = await connectFull(station.url);
    await until("it is ended", () => full.isClosed() || isGone(full));
    using idle = await connectRaw(station.url, { onFrame: deafToPings });
    await until("it is asked to leave", () => goaways(idle).length > 0);
    expect(goaways(idle)[0]).toEqual({ code: NO_ERROR, last: LAST_STREAM });
    station.drain();
    expect(await station.exit).toBe(0);
  });
});

function isHeaders({ type }: Http2Frame): boolean {
  return type === FRAME.headers;
}
