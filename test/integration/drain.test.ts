import { once } from "node:events";
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import http2, { type ClientHttp2Session } from "node:http2";
import { connect } from "node:net";
import { createClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@postern/proto/grpc/health/v1/health_pb.js";
import { expect, test } from "vitest";
import { createClients } from "../support/clients.ts";
import { createDatabase } from "../support/database.ts";
import { poll } from "../support/poll.ts";
import { startServer, TOKENS } from "../support/server-process.ts";
import { frame, grpcStatus, openGrpc, readAnswer } from "../support/wire.ts";

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

test("SIGTERM: a call that never ends does not keep the server up", async () => {
  await using database = await createDatabase();
  await using server = await startServer({ databaseUrl: database.url });
  const stuck = await beginByHttp(server.http);
  const broken = once(stuck, "error");
  expect(await server.stop()).toBe(0);
  await broken;
});

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
