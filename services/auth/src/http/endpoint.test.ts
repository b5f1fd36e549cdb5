import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createCalls } from "../call/calls.ts";
import type { FinishedCall } from "../call/finished-call.ts";
import { createPathRouter } from "../lib/path-router.ts";
import { createEndpoints, type Endpoint } from "./endpoint.ts";

const endpoint: Endpoint = {
  operation: "jwks",
  paths: new Set(["/a", "/b"]),
  methods: "read",
  serve: (_call, _request, response) => void response.end("served"),
};

async function serve(one: Endpoint, isOverloaded = false) {
  const finished: FinishedCall[] = [];
  const shed: string[] = [];
  const calls = createCalls({
    authenticate: () => Promise.reject(new Error("authentication must not be reached")),
    isOverloaded: () => isOverloaded,
    onAccepted() {},
    onFinished: (call) => finished.push(call),
    onShed: (operation) => shed.push(operation),
  });
  const handlers = createEndpoints([one], { calls, newRequestId: () => "request" });
  const router = createPathRouter(handlers, (_, response) => void response.end());
  const server = createServer(router).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, finished, shed };
}

test("an endpoint without a row in the access table is refused at the start", () => {
  expect(() => createEndpoints([{ ...endpoint, operation: "new-endpoint" }], {} as never)).toThrow(
    "no access rule for new-endpoint",
  );
});

test("an endpoint is served at each of its paths, and every call is reported", async () => {
  const { origin, finished } = await serve(endpoint);
  for (const path of ["/a", "/b?query"]) expect(await (await fetch(origin + path)).text()).toBe("served");
  expect(finished).toMatchObject([
    { operation: "jwks", id: "request", outcome: "ok" },
    { operation: "jwks", id: "request", outcome: "ok" },
  ]);
});

test("a credential on a public endpoint is not the caller's: two of them are no error of the call", async () => {
  const { origin } = await serve(endpoint);
  const headers = new Headers([["authorization", "Bearer a"]]);
  headers.append("authorization", "Bearer b");
  expect((await fetch(`${origin}/a`, { headers })).status).toBe(200);
});

test("a call is refused with 429 and a time for a retry under overload; it is counted and not logged", async () => {
  const { origin, finished, shed } = await serve(endpoint, true);
  const response = await fetch(`${origin}/a`);
  expect([response.status, response.headers.get("retry-after")]).toEqual([429, "1"]);
  expect([finished, shed]).toEqual([[], ["jwks"]]);
});

test("the signal of a call is aborted when its client hangs up", async () => {
  const started = Promise.withResolvers<AbortSignal>();
  const { origin } = await serve({
    ...endpoint,
    serve: (call) => {
      started.resolve(call.signal);
      return new Promise(() => {});
    },
  });
  const client = new AbortController();
  const answer = fetch(`${origin}/a`, { signal: client.signal });
  const signal = await started.promise;
  expect(signal.aborted).toBe(false);
  client.abort();
  await expect(answer).rejects.toThrow();
  if (!signal.aborted) await once(signal, "abort");
});
