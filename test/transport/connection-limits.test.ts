import { once } from "node:events";
import http from "node:http";
import { connect, type Socket } from "node:net";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { connectRaw, goaways, grpcCall, lastData, type RawHttp2 } from "../support/clients/raw-http2.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const timeoutMs = 60_000;

describe("a server that may have few files open", { timeout: 120_000 }, () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let max: number;
  beforeAll(async () => {
    database = await createDatabase();
    const under = ["sh", "-c", 'ulimit -n 300 && exec "$@"', "sh"];
    server = await startServer({ databaseUrl: database.url, under });
    max = await metric('postern_max_connections{listener="http"}');
  });
  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  const metric = async (name: string) => (await readMetrics(server.ops)).get(name) ?? Number.NaN;
  const open = (listener: string) => metric(`postern_connections{listener="${listener}"}`);
  async function untilOpen(listener: string, count: number): Promise<void> {
    await poll(`${count} connections of ${listener}`, timeoutMs, async () =>
      (await open(listener)) === count ? true : undefined,
    );
  }

  test("answers 503 to the HTTP/1.1 client whose connection makes room, and counts it", async () => {
    using sockets = new Sockets();
    const first = await sockets.open(server.http);
    await untilOpen("http", 1);
    const result = first.toArray();
    for (let count = 1; count < max; count += 1) await sockets.open(server.http);
    await untilOpen("http", max);
    await sockets.open(server.http);
    expect((await result).join("")).toMatch(unavailable);
    expect(await metric('postern_connections_refused_total{listener="http"}')).toBe(1);
    expect(await open("http")).toBe(max);
    sockets[Symbol.dispose]();
    await untilOpen("http", 0);
  });

  test("answers an HTTP/1.1 connection with 503 where all others have a credential, and serves again later", async () => {
    const refusedBefore = await metric('postern_connections_refused_total{listener="http"}');
    using sockets = new Sockets();
    for (let count = 0; count < max; count += 1) {
      const socket = await sockets.open(server.http);
      socket.write(`POST /postern.auth.v1.AuthService/Introspect HTTP/1.1\r\nhost: a\r\n${credential}`);
      socket.write("content-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
      await once(socket, "data");
    }
    await untilOpen("http", max);
    const refused = (await (await sockets.open(server.http)).toArray()).join("");
    expect(refused).toMatch(unavailable);
    expect(await metric('postern_connections_refused_total{listener="http"}')).toBe(refusedBefore + 1);
    expect(await statusOf(`${server.ops}/livez`)).toBe(200);
    sockets[Symbol.dispose]();
    await untilOpen("http", 0);
    expect((await fetch(`${server.http}/.well-known/jwks.json`)).status).toBe(200);
  });

  test("answers UNAVAILABLE to an HTTP/2 client if all others have a credential: nothing was done", async () => {
    using raws = new DisposableStack();
    for (let count = 0; count < max; count += 1) {
      const raw = raws.use(await connectRaw(server.grpc));
      const introspect = "/postern.auth.v1.AuthService/Introspect";
      raw.write(grpcCall(1, introspect, `Bearer ${TOKENS.web}`), lastData(1, Buffer.alloc(5)));
      await poll("it is answered", timeoutMs, async () => (statuses(raw).length > 0 ? true : undefined));
    }
    await untilOpen("grpc", max);
    using refused = await connectRaw(server.grpc);
    await poll("it is refused", timeoutMs, async () => (goaways(refused).length > 0 ? true : undefined));
    expect(goaways(refused)[0]).toEqual({ code: 0, last: 0 });
    await refused.closed;
    // A client that makes a call learns it from the call.
    using late = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.web });
    const calls = Array.from({ length: 5 }, () => late.auth.introspect({ token: "nothing" }));
    for (const call of calls)
      await expect(call).rejects.toMatchObject({
        code: Code.Unavailable,
      });
    raws.dispose();
    await untilOpen("grpc", 0);
    using again = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.web });
    expect((await again.auth.introspect({ token: "nothing" })).active).toBe(false);
  });

  test("answers on the ops listener, and known clients, however many connections are tried", async () => {
    using known = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.admin });
    await known.auth.introspect({ token: "nothing" });
    using sockets = new Sockets();
    for (let round = 0; round < 400; round += 1) {
      await Promise.all([sockets.open(server.http), sockets.open(server.grpc)]);
      if (round % 50 > 0) continue;
      expect(await statusOf(`${server.ops}/livez`)).toBe(200);
      // These need more connections to the database than are open.
      await Promise.all(Array.from({ length: 30 }, () => known.admin.listUsers({})));
    }
    expect(await open("http")).toBe(max);
    expect(await open("grpc")).toBe(max);
  });

  test("bounds the connections of the ops listener too", async () => {
    using sockets = new Sockets();
    for (let round = 0; round < 400; round += 1) await sockets.open(server.ops);
    expect(await statusOf(`${server.http}/.well-known/jwks.json`)).toBe(200);
    using clients = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.admin });
    await clients.admin.listUsers({});
  });
});

describe("callers without a credential do not take the memory of a server with a heap of 256 MiB", () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let known: Clients;
  beforeAll(async () => {
    database = await createDatabase();
    const env = { NODE_OPTIONS: "--max-old-space-size=256" };
    server = await startServer({ databaseUrl: database.url, env });
    known = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.web });
    await known.auth.introspect({ token: "nothing" });
  });
  afterAll(async () => {
    known?.[Symbol.dispose]();
    await server?.stop();
    await database?.drop();
  });

  /** With 36 KiB for each watch, more than the heap. */
  const [connections, streams] = [60, 128];
  const message = Buffer.alloc(5);
  async function heapMib(): Promise<number> {
    const bytes = (await readMetrics(server.ops)).get("nodejs_heap_size_used_bytes") ?? Number.NaN;
    return Math.round(bytes / (1024 * 1024));
  }

  /** Opens all streams of many connections. */
  async function hold(path: string, isComplete: boolean): Promise<DisposableStack & { raws: RawHttp2[] }> {
    const stack = Object.assign(new DisposableStack(), { raws: [] as RawHttp2[] });
    for (let count = 0; count < connections; count += 1) {
      const raw = stack.use(await connectRaw(server.grpc));
      stack.raws.push(raw);
      for (let stream = 1; stream < 2 * streams; stream += 2) {
        raw.write(grpcCall(stream, path), ...(isComplete ? [lastData(stream, message)] : []));
      }
    }
    return stack;
  }

  test("by watches of health, of which new ones are answered all the same", {
    timeout: 120_000,
  }, async ({ annotate }) => {
    using held = await hold("/grpc.health.v1.Health/Watch", true);
    await poll("no connection has more than four watches", timeoutMs, async () =>
      held.raws.every((raw) => statuses(raw).length >= streams - 4) ? true : undefined,
    );
    expect((await known.auth.introspect({ token: "nothing" })).active).toBe(false);
    using fresh = await connectRaw(server.grpc);
    fresh.write(grpcCall(1, "/grpc.health.v1.Health/Watch"), lastData(1, message));
    await poll("a new watch is answered", timeoutMs, async () =>
      fresh.frames.some(({ stream, payload }) => stream === 1 && payload.equals(serving)) ? true : undefined,
    );
    expect((await fetch(`${server.http}/.well-known/jwks.json`)).status).toBe(200);
    await annotate(`heap: ${await heapMib()} MiB`);
  });

  test("by calls whose message does not come", { timeout: 120_000 }, async ({ annotate }) => {
    using held = await hold("/grpc.health.v1.Health/Check", false);
    await poll("calls are refused", timeoutMs, async () =>
      held.raws.some((raw) => statuses(raw).length > 0) ? true : undefined,
    );
    expect((await known.auth.introspect({ token: "nothing" })).active).toBe(false);
    expect((await readMetrics(server.ops)).get("postern_public_calls_refused_total")).toBeGreaterThan(0);
    await annotate(`heap: ${await heapMib()} MiB`);
  });

  test("and any number of calls with a credential is not counted", async () => {
    const answers = Array.from({ length: 500 }, () => known.auth.introspect({ token: "nothing" }));
    expect((await Promise.all(answers)).every(({ active }) => !active)).toBe(true);
  });
});

/** The status of an answer on a new connection. */
async function statusOf(url: string): Promise<number | undefined> {
  const [response] = (await once(http.get(url, { agent: false }), "response")) as [http.IncomingMessage];
  await response.toArray();
  return response.statusCode;
}

const credential = `authorization: Bearer ${TOKENS.web}\r\n`;
const unavailable = /^HTTP\/1\.1 503 .*\r\nconnection: close\r\n.*retry-after: 1\r\n/s;

/** A message that says SERVING. */
const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

/** Streams that the server has ended. */
function statuses(raw: RawHttp2): readonly number[] {
  const END_STREAM = 1;
  const ended = raw.frames.filter(
    ({ type, flags }) => type === 3 || (type === 1 && (flags & END_STREAM) !== 0),
  );
  return [...new Set(ended.map(({ stream }) => stream))];
}

/** Silent connections. */
class Sockets implements Disposable {
  readonly #all: Socket[] = [];

  async open(url: string): Promise<Socket> {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    this.#all.push(socket);
    socket.on("error", () => {});
    await Promise.race([once(socket, "connect"), once(socket, "close")]);
    return socket;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#all) socket.destroy();
  }
}
