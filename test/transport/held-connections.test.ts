import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import {
  connectRaw,
  deafToPings,
  FRAME,
  get,
  goaways,
  ping,
  resets,
  settings,
  windowUpdate,
} from "../support/clients/raw-http2.ts";
import { poll } from "../support/poll.ts";
import { startStation } from "../support/servers/station.ts";

const CANCEL = 8;
const checkEveryMs = 20;

async function until(what: string, is: () => boolean): Promise<void> {
  await poll(what, 20_000, async () => (is() ? true : undefined));
}

describe("an HTTP/2 connection is ended", () => {
  test.each([
    ["sends nothing", Buffer.alloc(0)],
    ["sends half of the preface", Buffer.from("PRI * HTTP/2.0\r\n")],
    ["sends the preface alone", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
  ])("whose client %s", async (_, bytes) => {
    await using station = await startStation("grpc", { settingsMs: 100, checkEveryMs });
    using client = await connectRaw(station.url, { first: undefined });
    if (bytes.length > 0) client.write(bytes);
    await client.closed;
  });

  test("that is without a call for too long, with any number of pings", async () => {
    await using station = await startStation("grpc", { idleMs: 200, checkEveryMs });
    using client = await connectRaw(station.url);
    await until("it is ended", () => {
      client.write(ping());
      return client.isClosed();
    });
    expect(goaways(client)[0]).toEqual({ code: 0, last: 2 ** 31 - 1 });
  });

  test("whose client has a call open and answers no ping", async () => {
    const bounds = { unreadMs: 200, pingEveryMs: 50, checkEveryMs };
    await using station = await startStation("grpc", bounds);
    using client = await connectRaw(station.url, { onFrame: deafToPings });
    client.write(get(1, "/open"));
    await client.closed;
    expect(client.frames.some(({ type }) => type === FRAME.data)).toBe(true);
  });
});

describe("an HTTP/2 call is ended", () => {
  test("whose answer the client gives no window", async () => {
    await using station = await startStation("grpc", { unreadMs: 200, checkEveryMs });
    using client = await connectRaw(station.url, { first: settings(0) });
    client.write(...Array.from({ length: 100 }, (_, index) => get(2 * index + 1, "/1000")));
    await until("all are ended", () => resets(client).length === 100);
    expect(new Set(resets(client))).toEqual(new Set([CANCEL]));
    expect(client.isClosed()).toBe(false);
  });

  test("whose complete answer the client takes byte by byte", async () => {
    await using station = await startStation("grpc", { unreadMs: 200, checkEveryMs });
    using client = await connectRaw(station.url, { first: settings(0) });
    client.write(get(1, "/1000000"));
    await until("it is ended", () => {
      client.write(windowUpdate(1, 1));
      return resets(client).length > 0;
    });
    expect(resets(client)).toEqual([CANCEL]);
  });
});

test("an HTTP/2 connection stays open with a quiet call whose client answers pings", async () => {
  const bounds = { idleMs: 50, pingEveryMs: 50, closeMs: 50, checkEveryMs };
  await using station = await startStation("grpc", bounds);
  using client = await connectRaw(station.url);
  client.write(get(1, "/open"), ping());
  // Connections without a call come and go meanwhile.
  for (let round = 0; round < 5; round += 1) {
    using idle = await connectRaw(station.url);
    await idle.closed;
    client.write(ping());
  }
  expect(client.isClosed()).toBe(false);
  expect(goaways(client)).toEqual([]);
  expect(client.frames.filter(({ type, flags }) => type === FRAME.ping && flags === 0)).not.toEqual([]);
});

describe("an HTTP/1.1 connection is ended", () => {
  test("whose client does not read an answer", async () => {
    await using station = await startStation("http", { unreadMs: 200, checkEveryMs });
    await unreadIsEnded(station.url);
  });

  test("whose client sends more requests than it may before the first is answered", async () => {
    await using station = await startStation("http");
    const socket = await connectTo(station.url);
    const closed = once(socket, "close");
    socket.resume().write("GET /later HTTP/1.1\r\nhost: a\r\n\r\n".repeat(17));
    await closed;
  });
});

test("an HTTP/1.1 client may send 16 requests ahead, and gets all answers", async () => {
  await using station = await startStation("http");
  const socket = await connectTo(station.url);
  socket.write("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n".repeat(15));
  socket.write("GET /1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  const text = Buffer.concat(await socket.toArray()).toString("latin1");
  expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(16);
});

test("an HTTP/1.1 connection stays open with a quiet answer that is not complete", async () => {
  await using station = await startStation("http", { unreadMs: 50, checkEveryMs });
  const quiet = await connectTo(station.url);
  quiet.resume().write("GET /open HTTP/1.1\r\nhost: a\r\n\r\n");
  for (let round = 0; round < 3; round += 1) {
    await unreadIsEnded(station.url);
  }
  expect(quiet.destroyed).toBe(false);
  quiet.destroy();
});

/** Asks for a large answer, does not read it, and waits until the connection is reset. */
async function unreadIsEnded(url: string): Promise<void> {
  const socket = await connectTo(url);
  const error = once(socket, "error");
  socket.pause().write("GET /50000000 HTTP/1.1\r\nhost: a\r\n\r\n");
  // A socket that does not read learns of the reset when it writes.
  await until("it is reset", () => {
    if (!socket.destroyed) socket.write("\r\n");
    return socket.destroyed;
  });
  await error;
}

async function connectTo(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  await once(socket, "connect");
  return socket;
}
