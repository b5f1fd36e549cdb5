import { once } from "node:events";
import { createServer, type Server } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Permission } from "../domain/caller/permission.ts";
import { PosternError } from "../domain/errors.ts";
import { callerOf } from "./context.ts";
import { createRpcListener } from "./listener.ts";

/** What the handler saw of each call that reached it. */
const reached: { caller: string; timeoutMs: number | undefined }[] = [];
let server: Server;
let listener: ReturnType<typeof createRpcListener>;
let url: string;

beforeAll(async () => {
  listener = createRpcListener({
    routes: (router) =>
      router.service(
        AdminService,
        {
          listUsers(_, context) {
            reached.push({ caller: callerOf(context).name, timeoutMs: context.timeoutMs() });
            return {};
          },
        },
        // These take the place of the listener's own chain: the gate must not stand in it.
        { interceptors: [] },
      ),
    async authenticate(authorization) {
      const permission = /^Bearer (.+)$/.exec(authorization ?? "")?.[1];
      if (permission === undefined) throw new PosternError("INVALID_CLIENT");
      return {
        name: `holder of ${permission}`,
        permissions: new Set([permission as Permission]),
        scopes: new Set<string>(),
        audiences: new Set<string>(),
        clients: new Set<string>(),
        trustedAddress: false,
      };
    },
    newRequestId: () => "request",
    onFinished: () => {},
    isOverloaded: () => false,
    onRefusedEarly: () => {},
    onFault: () => {},
    fallback(request, response) {
      if (request.url === "/waits") return;
      response.statusCode = 404;
      response.end();
    },
  });
  server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${AdminService.typeName}/ListUsers`;
});

beforeEach(() => {
  reached.length = 0;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function call(headers: Record<string, string>, body = "{}"): Promise<Response> {
  return fetch(url, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
}

describe("a service registered with an interceptor list of its own", () => {
  test("is closed to whoever shows no credential, whatever the message is", async () => {
    for (const body of ["{}", "no JSON", '{"pageSize":-1}']) {
      const answer = await call({}, body);
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ code: "unauthenticated" });
    }
    expect(reached).toEqual([]);
  });

  test("is closed to a caller without the permission", async () => {
    const answer = await call({ authorization: "Bearer login" });
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: "permission_denied" });
    expect(reached).toEqual([]);
  });

  test("is open to one with it, who is known to the handler", async () => {
    expect((await call({ authorization: "Bearer users" })).status).toBe(200);
    expect(reached.map((seen) => seen.caller)).toEqual(["holder of users"]);
  });
});

describe("deadlines (L09)", () => {
  const authorization = "Bearer users";
  const grpcWeb = { authorization, "content-type": "application/grpc-web+json" };
  const message = "\0\0\0\0\x02{}";
  const calls: [string, Record<string, string>, string][] = [
    ["none by Connect", { authorization }, "{}"],
    ["a long one by Connect", { authorization, "connect-timeout-ms": "9999999999" }, "{}"],
    ["none by gRPC-Web", grpcWeb, message],
    ["the longest by gRPC-Web", { ...grpcWeb, "grpc-timeout": "99999999H" }, message],
    ["a long one in a small unit", { ...grpcWeb, "grpc-timeout": "99999999m" }, message],
  ];
  test.each(calls)("%s becomes ten seconds", async (_, headers, body) => {
    await (await call(headers, body)).arrayBuffer();
    expect(reached).toHaveLength(1);
    expect(reached[0]?.timeoutMs).toBeGreaterThan(0);
    expect(reached[0]?.timeoutMs).toBeLessThanOrEqual(10_000);
  });

  test("a shorter one stays", async () => {
    await (await call({ ...grpcWeb, "grpc-timeout": "5000m" }, message)).arrayBuffer();
    expect(reached[0]?.timeoutMs).toBeLessThanOrEqual(5_000);
  });
});

test.each([
  ["a message", `/${AdminService.typeName}/ListUsers`],
  ["a request to a path that is not served", "/waits"],
])("%s that does not arrive completely over HTTP/2 is aborted after ten seconds", async (_, path) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const h2 = http2.createServer(listener).listen(0, "127.0.0.1");
  await once(h2, "listening");
  const session = http2.connect(`http://127.0.0.1:${(h2.address() as AddressInfo).port}`);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc+proto",
      authorization: "Bearer users",
    });
    const closed = once(stream, "close");
    stream.write(Uint8Array.from([0, 0, 0, 0, 50, 1]));
    await once(h2, "request");
    vi.advanceTimersByTime(9_999);
    expect(stream.closed).toBe(false);
    vi.advanceTimersByTime(1);
    await closed;
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
    expect(reached).toEqual([]);
  } finally {
    vi.useRealTimers();
    session.destroy();
    h2.close();
  }
});
