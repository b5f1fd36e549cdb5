import { once } from "node:events";
import http, { Agent, type ClientRequest, type IncomingMessage } from "node:http";
import http2, { type ClientHttp2Session } from "node:http2";
import { connect, type Socket } from "node:net";
import { Duplex, Transform } from "node:stream";
import { Code, createClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@postern/proto/grpc/health/v1/health_pb.js";
import { describe, expect, test } from "vitest";
import { createClients } from "../support/clients/clients.ts";
import { frame, grpcStatus, openGrpc, readAnswer } from "../support/clients/wire.ts";
import { poll } from "../support/poll.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { startServer, TOKENS } from "../support/servers/server-process.ts";

const INTROSPECT = "/postern.auth.v1.AuthService/Introspect";

test("SIGTERM: calls in flight are answered, new ones refused, and the server ends with 0", async () => {
  await using database = await createDatabase();
  await using server = await startServer({ databaseUrl: database.url });
  using watcher = createClients({ baseUrl: server.grpc, protocol: "grpc" });
  const health = createClient(Health, watcher.transport).watch({})[Symbol.asyncIterator]();
  expect((await health.next()).value?.status).toBe(Status.SERVING);
  // Kept alive and idle: must not hold the server up.
  await (await fetch(`${server.http}/.well-known/jwks.json`)).arrayBuffer();

  const byHttp = await beginByHttp(server.http);
  const session = http2.connect(server.grpc);
  const byGrpc = await beginByGrpc(session);
  const exit = server.stop();

  await poll("not ready", 20_000, async () => {
    const { status } = await fetch(`${server.ops}/readyz`);
    return status === 503 ? true : undefined;
  });
  expect((await fetch(`${server.ops}/livez`)).status).toBe(200);
  expect((await health.next()).value?.status).toBe(Status.NOT_SERVING);
  for (const url of [server.http, server.grpc]) {
    await poll(`${url} takes no connection`, 20_000, async () => ((await isRefused(url)) ? true : undefined));
  }

  byHttp.end('"token":"nothing"}');
  const [response] = (await once(byHttp, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  expect((await response.toArray()).join("")).toBe("{}");

  const answer = readAnswer(byGrpc);
  byGrpc.end(MESSAGE.subarray(3));
  expect(grpcStatus(await answer)).toBe(0);

  expect(await exit).toBe(0);
  session.destroy();
  expect(server.logs.map((line) => line["event"])).toEqual(expect.arrayContaining(["draining", "stopped"]));
});

test("SIGTERM: neither a call that never ends nor a client that never closes keeps the server up", async () => {
  await using database = await createDatabase();
  const env = { POSTERN_DRAIN_TIMEOUT: "500ms" };
  await using server = await startServer({ databaseUrl: database.url, env });
  const silent = await Promise.all([server.http, server.grpc].map(connectTo));
  const stuck = await beginByHttp(server.http);
  const broken = once(stuck, "error");
  expect(await server.stop()).toBe(0);
  await broken;
  for (const socket of silent) socket.destroy();
});

describe("O07: from SIGTERM to the end of POSTERN_DRAIN_DELAY", () => {
  /** A server with an endless delay: only a second signal ends it. */
  async function startSlow(env: Readonly<Record<string, string>> = {}) {
    const database = await createDatabase();
    const server = await startServer({
      databaseUrl: database.url,
      env: { POSTERN_DRAIN_DELAY: "5m", ...env },
    });
    return {
      server,
      /** The first SIGTERM; resolves when readiness is off. The exit code comes after a second one. */
      async begin() {
        const exit = server.stop();
        await poll("not ready", 20_000, async () =>
          (await fetch(`${server.ops}/readyz`)).status === 503 ? true : undefined,
        );
        return { exit };
      },
      async [Symbol.asyncDispose]() {
        // If the test has failed: two more signals end it.
        for (let signal = 0; signal < 2; signal += 1) void server.stop();
        await server[Symbol.asyncDispose]();
        await database.drop();
      },
    };
  }

  test("readiness is off, calls are answered, clients are asked to go, and a second signal ends it", async () => {
    await using slow = await startSlow();
    const { server } = slow;
    using watcher = createClients({ baseUrl: server.grpc, protocol: "grpc" });
    const watch = createClient(Health, watcher.transport).watch({})[Symbol.asyncIterator]();
    await watch.next();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect((await introspect(server.http, agent)).headers.connection).toBe("keep-alive");
    const byHttp = await beginByHttp(server.http);
    const session = http2.connect(server.grpc);
    const byGrpc = await beginByGrpc(session);
    const farewell = once(session, "goaway");

    const { exit } = await slow.begin();

    expect(await (await fetch(`${server.ops}/readyz`)).json()).toMatchObject({ status: "draining" });
    expect((await watch.next()).value?.status).toBe(Status.NOT_SERVING);
    for (const [baseUrl, protocol] of [
      [server.http, "connect"],
      [server.grpc, "grpc"],
    ] as const) {
      using late = createClients({ baseUrl, protocol, credential: TOKENS.web });
      const health = createClient(Health, late.transport);
      expect((await health.check({})).status).toBe(Status.NOT_SERVING);
      expect((await late.auth.introspect({ token: "nothing" })).active).toBe(false);
      await expect(health.watch({})[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: Code.Unavailable,
      });
    }
    // The connection from before, then a new one.
    for (let call = 0; call < 2; call += 1) {
      const { statusCode, headers } = await introspect(server.http, agent);
      expect({ statusCode, connection: headers.connection }).toEqual({
        statusCode: 200,
        connection: "close",
      });
    }
    expect((await fetch(`${server.http}/.well-known/jwks.json`)).headers.get("connection")).toBe("close");

    byHttp.end('"token":"nothing"}');
    const [response] = (await once(byHttp, "response")) as [IncomingMessage];
    expect(response.headers.connection).toBe("close");
    expect((await response.toArray()).join("")).toBe("{}");
    const answer = readAnswer(byGrpc);
    byGrpc.end(MESSAGE.subarray(3));
    expect(grpcStatus(await answer)).toBe(0);

    void server.stop();
    expect((await farewell).slice(0, 2)).toEqual([http2.constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1]);
    expect(await exit).toBe(0);
    agent.destroy();
    session.destroy();
  });

  test("an answer that comes before the end of its request does not close the connection under it", async () => {
    await using slow = await startSlow();
    await slow.begin();
    const request = http.request(`${slow.server.http}${INTROSPECT}`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": 2 },
    });
    request.write("{");
    const [response] = (await once(request, "response")) as [IncomingMessage];
    request.end("}");
    const { statusCode, headers } = response;
    expect({ statusCode, connection: headers.connection }).toEqual({
      statusCode: 401,
      connection: "keep-alive",
    });
    expect((await response.toArray()).join("")).toContain("unauthenticated");
  });

  test("an HTTP/2 call on its way when it ends is answered", async () => {
    await using slow = await startSlow();
    const { server } = slow;
    await slow.begin();
    const client = await connectDeaf(server.grpc);
    // Nothing that the server says from now on reaches the client.
    client.deafen();
    const exit = server.stop();
    await client.toldSomething;
    const answer = readAnswer(
      openGrpc(client.session, INTROSPECT, { authorization: `Bearer ${TOKENS.web}` }).end(MESSAGE),
    );
    await client.saidSomething();
    client.hear();
    expect(grpcStatus(await answer)).toBe(0);
    expect(await exit).toBe(0);
  });

  test("an HTTP/1.1 call on its way when it ends is refused with 503, not reset", async () => {
    await using slow = await startSlow();
    const { server } = slow;
    await slow.begin();
    const socket = await connectTo(server.http);
    const exit = server.stop();
    await poll("takes no connection", 20_000, async () =>
      (await isRefused(server.http)) ? true : undefined,
    );
    socket.write(`POST ${INTROSPECT} HTTP/1.1\r\nhost: postern\r\ncontent-length: 4\r\n\r\n{`);
    const heard = (await socket.toArray()).join("");
    expect(heard).toMatch(/^HTTP\/1\.1 503 .*\r\nconnection: close\r\n/s);
    expect(heard.match(/HTTP/g)).toHaveLength(1);
    socket.end();
    expect(await exit).toBe(0);
  });
});

/** A connection that says nothing, and that only the server closes. */
async function connectTo(url: string): Promise<Socket> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** `Introspect` by JSON. */
async function introspect(url: string, agent: Agent): Promise<IncomingMessage> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${TOKENS.web}` };
  const request = http.request(`${url}${INTROSPECT}`, { method: "POST", agent, headers });
  request.end('{"token":"nothing"}');
  const [response] = (await once(request, "response")) as [IncomingMessage];
  await response.toArray();
  return response;
}

/** An HTTP/2 session whose client can be kept from what the server says. */
async function connectDeaf(url: string) {
  const socket = await connectTo(url);
  const result = Promise.withResolvers<void>();
  let gate = Promise.resolve();
  let open = () => {};
  let deaf = false;
  const heard = new Transform({
    transform(piece, _encoding, done) {
      if (deaf) result.resolve();
      gate.then(() => done(null, piece));
    },
  });
  const session = http2.connect(url, {
    createConnection: () => Duplex.from({ readable: socket.pipe(heard), writable: socket }),
  });
  await new Promise<void>((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
  const before = socket.bytesWritten;
  return {
    session,
    /** Resolves when the server has said something that the client does not hear. */
    toldSomething: result.promise,
    /** Resolves when the client has sent something more. */
    saidSomething: () =>
      poll("something is sent", 20_000, async () => (socket.bytesWritten > before ? true : undefined)),
    deafen() {
      deaf = true;
      gate = new Promise<void>((resolve) => {
        open = resolve;
      });
    },
    hear: () => open(),
  };
}

/** A call whose headers the server has read, and half of whose message. */
async function beginByHttp(url: string): Promise<ClientRequest> {
  const request = http.request(`${url}${INTROSPECT}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "content-length": '{"token":"nothing"}'.length,
      authorization: `Bearer ${TOKENS.web}`,
      expect: "100-continue",
    },
  });
  request.flushHeaders();
  await once(request, "continue");
  request.write("{");
  return request;
}

/** `Introspect` of the token `nothing`. */
const MESSAGE = frame(Buffer.concat([Buffer.from([0x0a, 7]), Buffer.from("nothing")]));

/** The same over h2. */
async function beginByGrpc(session: ClientHttp2Session) {
  const stream = openGrpc(session, INTROSPECT, { authorization: `Bearer ${TOKENS.web}` });
  stream.write(MESSAGE.subarray(0, 3));
  await once(session, "connect");
  // The server answers pings in order: after this it has seen the stream.
  await new Promise<void>((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
  return stream;
}

async function isRefused(url: string): Promise<boolean> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  try {
    await once(socket, "connect");
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
  } finally {
    socket.destroy();
  }
}
