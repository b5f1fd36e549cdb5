import { once } from "node:events";
import http from "node:http";
import http2, { type ClientHttp2Session } from "node:http2";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { connectFull, connectStuck, isGone } from "../support/clients/full-connection.ts";
import { connectRaw, deafToPings, goaways, type RawHttp2 } from "../support/clients/raw-http2.ts";
import { poll } from "../support/poll.ts";
import { startStation } from "../support/servers/station.ts";

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = http2.constants;
const LAST_STREAM = 2 ** 31 - 1;
const kinds = ["http", "grpc"] as const;
type Kind = (typeof kinds)[number];

async function until(what: string, is: () => boolean): Promise<void> {
  await poll(what, 20_000, async () => (is() ? true : undefined));
}

describe("over HTTP/2, when all slots are used, a new call takes the slot of the oldest call", () => {
  test("which is answered 503, and the others stay open", async () => {
    await using station = await startStation("grpc", {}, { slots: 4 });
    using holder = new Http2Client(station.url);
    const held = Array.from({ length: 4 }, () => holder.call("/later"));
    await holder.untilRead();
    for (const honest of await Promise.all(Array.from({ length: 4 }, () => answerOf("grpc", station.url))))
      expect(honest).toBe(200);
    const refused = held.filter(({ status }) => status !== undefined);
    expect(held.slice(0, refused.length)).toEqual(refused);
    expect(refused.length).toBeGreaterThan(0);
    for (const call of refused)
      expect(await call.closed).toMatchObject({ status: 503, code: NGHTTP2_NO_ERROR });
    expect(holder.session.closed).toBe(false);
  });

  test("which is reset where its answer has begun", async () => {
    await using station = await startStation("grpc", {}, { slots: 1 });
    using holder = new Http2Client(station.url);
    const begun = holder.call("/open");
    await until("its answer begins", () => begun.status === 200);
    expect(await answerOf("grpc", station.url)).toBe(200);
    expect((await begun.closed).code).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
  });

  test("and calls of a connection with an accepted credential stay open", async () => {
    await using station = await startStation("grpc", {}, { slots: 4 });
    using known = new Http2Client(station.url);
    const early = known.call("/open");
    await known.call("/trust").closed;
    const later = known.call("/open");
    await until("its answer begins", () => later.status === 200);
    using flood = new Http2Client(station.url);
    const calls: Http2Call[] = [];
    for (let count = 0; count < 20; count += 1) {
      calls.push(flood.call("/later"));
      await flood.untilRead();
      await calls[count - 4]?.closed;
    }
    expect([early, later].map(({ isOpen }) => isOpen)).toEqual([true, true]);
    expect(calls.map(({ isOpen }) => isOpen)).toEqual(calls.map((_, index) => index >= 16));
  });
});

describe.runIf(process.platform === "linux")("an HTTP/2 client that does not read", () => {
  test("loses its connection when too many of its refusals are unread, and others are answered", async () => {
    await using station = await startStation("grpc", {}, { slots: 20 });
    using first = await connectStuck(station.url, 20);
    using second = await connectStuck(station.url, 20);
    using honest = new Http2Client(station.url);
    for (let round = 0; round < 5; round += 1) {
      const calls = Array.from({ length: 20 }, () => honest.call("/10").closed);
      for (const { status } of await Promise.all(calls)) expect(status).toBe(200);
    }
    await until("the first is ended", () => isGone(first));
    second[Symbol.dispose]();
    station.drain();
    expect(await station.exit).toBe(0);
  });

  test("loses its place to a new connection, with anything queued, and the server continues", async () => {
    await using station = await startStation("grpc", {}, { maxConnections: 6 });
    using held = new DisposableStack();
    const clients: RawHttp2[] = [];
    for (let count = 0; count < 3; count += 1) {
      clients.push(held.use(await connectFull(station.url)));
      const idle = held.use(await connectRaw(station.url, { onFrame: deafToPings }));
      await until("settings", () => idle.frames.length > 0);
      idle.stopReading();
      clients.push(idle);
    }
    for (let count = 0; count < 30; count += 1) {
      expect(await answerOf("grpc", station.url)).toBe(200);
      held.use(await connectRaw(station.url, { first: undefined, onFrame: () => {} }));
    }
    await until("all are ended", () => clients.every(isGone));
    station.drain();
    expect(await station.exit).toBe(0);
  });
});

describe("when a listener has all its connections, a new one takes the place of the one unused for longest", () => {
  test("over HTTP/2, whose client is asked to leave", async () => {
    await using station = await startStation("grpc", {}, { maxConnections: 3 });
    using first = new Http2Client(station.url);
    await first.call("/10").closed;
    using second = await connectRaw(station.url);
    await until("settings", () => second.frames.length > 0);
    using third = new Http2Client(station.url);
    await third.call("/10").closed;
    await first.call("/10").closed;
    expect(await answerOf("grpc", station.url)).toBe(200);
    await second.closed;
    expect(goaways(second)[0]).toEqual({ code: NGHTTP2_NO_ERROR, last: LAST_STREAM });
    expect([first, third].map(({ session }) => session.closed)).toEqual([false, false]);
  });

  test("over HTTP/2, also where that one has a call open", async () => {
    await using station = await startStation("grpc", {}, { maxConnections: 1 });
    using holder = new Http2Client(station.url);
    const begun = holder.call("/open");
    await until("its answer begins", () => begun.status === 200);
    expect(await answerOf("grpc", station.url)).toBe(200);
    await begun.closed;
    await until("its connection ends", () => holder.session.destroyed);
  });

  test("over HTTP/1.1, whose client reads a 503 that answers no call", async () => {
    await using station = await startStation("http", {}, { maxConnections: 3 });
    using known = await Known.connect("http", station.url);
    const agent = new http.Agent({ keepAlive: true });
    const used = await ask(station.url, "/10", agent);
    const idle = await connectSocket(station.url);
    const ended = text(idle);
    await poll("it is open", 20_000, async () => ((await known.count()).open === 3 ? true : undefined));
    await ask(station.url, "/10", agent);
    expect(await answerOf("http", station.url)).toBe(200);
    expect(await ended).toMatch(/^HTTP\/1\.1 503 .*\r\nconnection: close\r\n.*retry-after: 1\r\n/s);
    expect(used.socket.destroyed).toBe(false);
    agent.destroy();
  });

  test("over HTTP/1.1, also where that one has a call open", async () => {
    await expectOpenAnswerReset({ maxConnections: 1 });
  });

  test.each(kinds)("and on %s never one with an accepted credential, however many come", async (kind) => {
    await using station = await startStation(kind, {}, { maxConnections: 4 });
    using known = await Known.connect(kind, station.url);
    for (let round = 0; round < 10; round += 1) {
      using silent = new DisposableStack();
      for (let count = 0; count < 20; count += 1) {
        const socket = await connectSocket(station.url);
        silent.defer(() => socket.destroy());
      }
      expect(await answerOf(kind, station.url)).toBe(200);
      expect((await known.count()).open).toBeLessThanOrEqual(4);
    }
  });

  test.each(kinds)(
    "and on %s new ones are answered while clients neither read nor close what the server has ended",
    async (kind) => {
      await using station = await startStation(kind, {}, { maxConnections: 4 });
      using silent = new DisposableStack();
      for (let round = 0; round < 60; round += 1) {
        const socket = await connectSocket(station.url, { allowHalfOpen: true });
        silent.defer(() => socket.destroy());
        expect(await answerOf(kind, station.url)).toBe(200);
      }
    },
  );
});

test.each(kinds)(
  "on %s a connection is refused where all others have an accepted credential",
  async (kind) => {
    await using station = await startStation(kind, {}, { maxConnections: 2 });
    using one = await Known.connect(kind, station.url);
    using two = await Known.connect(kind, station.url);
    expect(await answerOf(kind, station.url)).toBe(503);
    expect(await one.count()).toMatchObject({ open: 2, refused: 1 });
    expect(await two.count()).toMatchObject({ open: 2, refused: 1 });
  },
);

describe("over HTTP/1.1, when all slots are used, a new call takes the slot of the oldest call", () => {
  test("which is answered 503, and its connection ends", async () => {
    await using station = await startStation("http", {}, { slots: 1 });
    using known = await Known.connect("http", station.url);
    for (const request of [
      "GET /later HTTP/1.1\r\nhost: a\r\n\r\n",
      "POST /later HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345",
    ]) {
      const { refusedCalls } = await known.count();
      const holder = await connectSocket(station.url);
      const ended = text(holder);
      holder.write(request);
      await poll("it is refused", 20_000, async () => {
        expect(await answerOf("http", station.url)).toBe(200);
        return (await known.count()).refusedCalls > refusedCalls ? true : undefined;
      });
      expect(await ended).toMatch(/^HTTP\/1\.1 503 .*\r\nconnection: close\r\n/is);
    }
  });

  test("whose connection is reset where its answer has begun", async () => {
    await expectOpenAnswerReset({ slots: 1 });
  });
});

/** Expects a new call to be answered, and the connection of a call whose answer has begun to be reset for it. */
async function expectOpenAnswerReset(limits: { maxConnections: number } | { slots: number }): Promise<void> {
  await using station = await startStation("http", {}, limits);
  const holder = await connectSocket(station.url);
  holder.write("GET /open HTTP/1.1\r\nhost: a\r\n\r\n");
  await once(holder, "data");
  const closed = closeOf(holder);
  expect(await answerOf("http", station.url)).toBe(200);
  await closed;
}

/** The status that a call on a new connection is answered with; undefined: its connection ended without one. */
async function answerOf(kind: Kind, url: string): Promise<number | undefined> {
  if (kind === "http") return (await ask(url, "/10")).status;
  using client = new Http2Client(url);
  return (await client.call("/10").closed).status;
}

/** Sends a request by HTTP/1.1 and reads the answer; without an agent, on a new connection. */
async function ask(url: string, path: string, agent: http.Agent | false = false) {
  const [response] = (await once(http.get(`${url}${path}`, { agent }), "response")) as [http.IncomingMessage];
  return { status: response.statusCode, socket: response.socket, body: await text(response) };
}

/** Resolves when a connection has ended. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

async function connectSocket(url: string, options: Partial<NetConnectOpts> = {}): Promise<Socket> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", ...options });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

interface Http2Call {
  /** Undefined: there is no answer yet. */
  status: number | undefined;
  isOpen: boolean;
  /** Resolves when the call has ended, with the code of its reset. */
  readonly closed: Promise<{ readonly status: number | undefined; readonly code: number | undefined }>;
}

class Http2Client implements Disposable {
  readonly session: ClientHttp2Session;

  constructor(url: string) {
    this.session = http2.connect(url).on("error", () => {});
  }

  call(path: string): Http2Call {
    const stream = this.session.request({ ":path": path });
    const call: Http2Call = {
      status: undefined,
      isOpen: true,
      closed: new Promise((resolve) => {
        stream.once("close", () => {
          call.isOpen = false;
          resolve({ status: call.status, code: stream.rstCode });
        });
      }),
    };
    stream.once("response", (head) => {
      call.status = head[":status"];
    });
    stream.on("error", () => {}).resume();
    return call;
  }

  /** Resolves when the server has read what was sent before. */
  async untilRead(): Promise<void> {
    await new Promise((resolve) => this.session.ping(resolve));
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}

/** A client whose credential was accepted on its one connection. */
class Known implements Disposable {
  readonly #get: (path: string) => Promise<string>;
  readonly #close: () => void;

  constructor(kind: Kind, url: string) {
    if (kind === "http") {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      this.#get = async (path) => (await ask(url, path, agent)).body;
      this.#close = () => agent.destroy();
    } else {
      const session = http2.connect(url);
      this.#get = (path) => text(session.request({ ":path": path }));
      this.#close = () => session.destroy();
    }
  }

  static async connect(kind: Kind, url: string): Promise<Known> {
    const known = new Known(kind, url);
    await known.#get("/trust");
    return known;
  }

  async count(): Promise<{ open: number; refused: number; refusedCalls: number }> {
    return JSON.parse(await this.#get("/count"));
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}
