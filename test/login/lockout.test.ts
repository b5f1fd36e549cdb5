import { execFileSync } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { connect } from "node:net";
import { createClient } from "@connectrpc/connect";
import { Authorization } from "@postern/proto/envoy/service/auth/v3/external_auth_pb.js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { listenerLimits } from "../../services/auth/src/listen/listener-limits.ts";
import { type Clients, createClients } from "../support/clients/clients.ts";
import {
  answer,
  connectRaw,
  FRAME,
  grpcCall,
  type Http2Frame,
  lastData,
  type RawHttp2,
} from "../support/clients/raw-http2.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const timeoutMs = 60_000;
const CHECK = "/envoy.service.auth.v3.Authorization/Check";
const WATCH = "/grpc.health.v1.Health/Watch";
const heap = ["--max-old-space-size=128", "--max-semi-space-size=1"];
/** Streams that a connection may have open. */
const streams = 128;

describe("clients without a credential do not lock others out", { timeout: 120_000 }, () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let known: Record<"http" | "grpc", Clients>;
  let max: number;
  let slots: number;
  let held: DisposableStack;
  beforeAll(async () => {
    database = await createDatabase();
    const under = ["sh", "-c", 'ulimit -n 300 && exec "$@"', "sh"];
    server = await startServer({ databaseUrl: database.url, under, env: { NODE_OPTIONS: heap.join(" ") } });
    max = await metric('postern_max_connections{listener="grpc"}');
    const heapBytes = execFileSync(process.execPath, [
      ...heap,
      "-p",
      "require('node:v8').getHeapStatistics().heap_size_limit",
    ]);
    slots = listenerLimits({
      heapBytes: Number(heapBytes),
      openFiles: 300,
      hashThreads: 1,
    }).publicCalls;
    known = { http: connectKnown("connect"), grpc: connectKnown("grpc") };
    await Promise.all([isAnswered(known.http), isAnswered(known.grpc)]);
  });
  beforeEach(() => {
    held = new DisposableStack();
  });
  afterEach(async () => {
    held.dispose();
    // What was accepted before stays connected through every attack.
    await Promise.all([isAnswered(known.http), isAnswered(known.grpc)]);
  });
  afterAll(async () => {
    for (const clients of Object.values(known ?? {})) clients[Symbol.dispose]();
    await server?.stop();
    await database?.drop();
  });

  const metric = async (name: string) => (await readMetrics(server.ops)).get(name) ?? Number.NaN;
  const connectKnown = (protocol: "connect" | "grpc", credential: string = TOKENS.web) =>
    createClients({ baseUrl: protocol === "grpc" ? server.grpc : server.http, protocol, credential });

  /** Has calls open on all streams of a connection whose requests are never completed; opens a new one for each that ends. */
  async function holdCalls(path: string): Promise<void> {
    let next = 2 * streams + 1;
    const reopen = (frame: Http2Frame, raw: RawHttp2) => {
      answer(frame, raw);
      if (!isLast(frame)) return;
      raw.write(grpcCall(next, path));
      next += 2;
    };
    const raw = held.use(await connectRaw(server.grpc, { onFrame: reopen }));
    for (let stream = 1; stream < 2 * streams; stream += 2) raw.write(grpcCall(stream, path));
  }

  /** Connections of an honest client with a credential, one to each listener, and of one that requests the public keys. */
  async function newcomersAreAnswered(): Promise<void> {
    using grpc = connectKnown("grpc");
    await isAnswered(grpc);
    await isAnswered(known.http);
    const keys = await fetchAlone(`${server.http}/.well-known/jwks.json`);
    expect(keys.status).toBe(200);
    const introspected = await fetchAlone(`${server.http}/postern.auth.v1.AuthService/Introspect`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKENS.web}`, "content-type": "application/json" },
    });
    expect(introspected.status).toBe(200);
  }

  test("by calls whose request is never completed, more than there are slots", async () => {
    const attackers = Math.ceil((2 * slots) / streams);
    for (let count = 0; count < attackers; count += 1) await holdCalls(CHECK);
    await poll("all slots are used", timeoutMs, async () =>
      (await metric("postern_public_calls_refused_total")) > 0 ? true : undefined,
    );
    // As Envoy does: without a credential, over one connection.
    using envoy = createClients({ baseUrl: server.grpc, protocol: "grpc" });
    const authorization = createClient(Authorization, envoy.transport);
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(Array.from({ length: 64 }, () => authorization.check({})));
      expect(answers.map(({ status }) => status?.code)).toEqual(Array(64).fill(7));
      await newcomersAreAnswered();
    }
  });

  test("by HTTP/1.1 calls whose request is never completed", async () => {
    for (let count = 0; count < max; count += 1) {
      const socket = connect(Number(new URL(server.http).port), "127.0.0.1");
      held.defer(() => socket.destroy());
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.write(
        "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n",
      );
      socket.write("content-length: 10\r\n\r\n{");
    }
    for (let round = 0; round < 5; round += 1) await newcomersAreAnswered();
  });

  test("by idle HTTP/2 connections, more than there are places", async () => {
    for (let count = 0; count < max + 5; count += 1) {
      const raw = held.use(await connectRaw(server.grpc));
      await poll("it is accepted", timeoutMs, async () => (raw.frames.length > 0 ? true : undefined));
    }
    for (let round = 0; round < 5; round += 1) await newcomersAreAnswered();
    expect(await metric('postern_connections{listener="grpc"}')).toBeLessThanOrEqual(max);
  });

  test("by new connections without end", async () => {
    for (let round = 0; round < 10; round += 1) {
      for (let count = 0; count < max; count += 1) {
        for (const url of [server.http, server.grpc]) {
          const socket = connect(Number(new URL(url).port), "127.0.0.1");
          socket.on("error", () => {});
          held.defer(() => socket.destroy());
        }
      }
      await newcomersAreAnswered();
    }
  });

  test("by watches of health, which take an eighth of all slots at most, and those with a credential stay", async () => {
    using kept = held.use(await connectRaw(server.grpc));
    kept.write(
      grpcCall(1, "/postern.auth.v1.AuthService/Introspect", `Bearer ${TOKENS.web}`),
      lastData(1, Buffer.alloc(5)),
    );
    await poll("its credential is accepted", timeoutMs, async () => (ended(kept, 1) ? true : undefined));
    kept.write(grpcCall(3, WATCH), lastData(3, Buffer.alloc(5)));
    await poll("it watches", timeoutMs, async () => (isServing(kept, 3) ? true : undefined));
    const raws: RawHttp2[] = [];
    for (let count = 0; count < slots / 16; count += 1) {
      const raw = held.use(await connectRaw(server.grpc));
      for (const stream of [1, 3, 5, 7])
        raw.write(grpcCall(stream, WATCH), lastData(stream, Buffer.alloc(5)));
      await poll("all are answered", timeoutMs, async () =>
        [1, 3, 5, 7].every((stream) => isServing(raw, stream) || ended(raw, stream)) ? true : undefined,
      );
      raws.push(raw);
    }
    const open = raws.flatMap((raw) => [1, 3, 5, 7].filter((stream) => !ended(raw, stream)));
    expect(open.length).toBeLessThanOrEqual(slots / 8);
    expect(ended(kept, 3)).toBe(false);
    await newcomersAreAnswered();
  });
});

async function isAnswered({ auth }: Clients): Promise<void> {
  expect((await auth.introspect({ token: "nothing" })).active).toBe(false);
}

/** Fetches on a new connection. */
async function fetchAlone(
  url: string,
  options: http.RequestOptions = {},
): Promise<{ status: number | undefined }> {
  const request = http.request(url, { ...options, agent: false });
  request.end(options.method === "POST" ? JSON.stringify({ token: "nothing" }) : undefined);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  await response.toArray();
  return { status: response.statusCode };
}

/** Whether the server has ended a stream. */
function ended(raw: RawHttp2, stream: number): boolean {
  return (
    raw.isClosed() ||
    raw.frames.some((frame) => frame.stream === stream && (isLast(frame) || frame.type === FRAME.resetStream))
  );
}

/** Whether a frame ends its stream with an answer; a reset may follow. */
function isLast({ type, flags }: Http2Frame): boolean {
  const END_STREAM = 1;
  return type === FRAME.headers && (flags & END_STREAM) !== 0;
}

/** Whether a watch has received SERVING. */
function isServing(raw: RawHttp2, stream: number): boolean {
  return raw.frames.some((frame) => frame.stream === stream && frame.type === FRAME.data);
}
