import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { expect, test } from "vitest";
import { createCalls } from "../call/calls.ts";
import { createPathRouter } from "../lib/path-router.ts";
import { unary } from "./methods/method.ts";
import { createRpcHandlers } from "./rpc-handlers.ts";
import { createUnknownCallHandler } from "./unknown-call.ts";

test("a gRPC call refused for overload is answered by one frame that ends the stream", async () => {
  const calls = createCalls({
    authenticate: () => Promise.reject(new Error("authentication must not be reached")),
    isOverloaded: () => true,
    onAccepted() {},
    onFinished() {},
    onShed() {},
  });
  const newRequestId = () => "request";
  const login = unary(AuthService.method.login, () => ({}));
  const handlers = createRpcHandlers({ methods: [login], calls, newRequestId, onFault() {} });
  const router = createPathRouter(handlers, createUnknownCallHandler(newRequestId));
  const server = http2.createServer(router).listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": `/${AuthService.typeName}/Login`,
    "content-type": "application/grpc",
  });
  const closed = once(stream, "close");
  const [headers, flags] = await once(stream, "response");
  expect(headers).toMatchObject({ ":status": 200, "grpc-status": "8", "x-request-id": "request" });
  expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).not.toBe(0);
  stream.resume();
  // The client has not sent its whole message.
  await closed;
  session.close();
  server.close();
});
