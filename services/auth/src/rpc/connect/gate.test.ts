import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { callerOf } from "../../call/call.ts";
import { createCalls } from "../../call/calls.ts";
import type { Caller } from "../../domain/caller/caller.ts";
import type { Permission } from "../../domain/caller/permission.ts";
import { AuthError } from "../../domain/errors.ts";
import { remainingMs } from "../../lib/deadline.ts";
import { createPathRouter } from "../../lib/path-router.ts";
import { unary } from "../methods/method.ts";
import { createRpcHandlers } from "../rpc-handlers.ts";
import { createUnknownCallHandler } from "../unknown-call.ts";

/** What the method saw of each call that reached it. */
const reached: { caller: string; timeoutMs: number }[] = [];
let server: Server;
let url: string;

beforeAll(async () => {
  const calls = createCalls({
    async authenticate(authorization) {
      const permission = /^Bearer (.+)$/.exec(authorization ?? "")?.[1];
      if (permission === undefined) throw new AuthError("INVALID_CLIENT");
      const name = `holder of ${permission}`;
      return { name, permissions: new Set([permission as Permission]) } as unknown as Caller;
    },
    isOverloaded: () => false,
    onAccepted() {},
    onFinished() {},
    onShed() {},
  });
  const newRequestId = () => "request";
  const listUsers = unary(AdminService.method.listUsers, (call) => {
    reached.push({ caller: callerOf(call).name, timeoutMs: remainingMs() });
    return {};
  });
  const handlers = createRpcHandlers({ methods: [listUsers], calls, newRequestId, onFault() {} });
  const router = createPathRouter(handlers, createUnknownCallHandler(newRequestId));
  server = createServer(router).listen(0, "127.0.0.1");
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

describe("a method", () => {
  test("refuses a caller without a credential, with any message", async () => {
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

  test("is open to a caller with the permission, and knows the caller", async () => {
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
