import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { httpRequest } from "../wire-forms.ts";
import { grpc } from "./grpc.ts";
import { h2load } from "./h2load.ts";
import type { Generator, Load } from "./load.ts";
import { wrk } from "./wrk.ts";

const credential = "a credential";
const path = "/postern.auth.v1.AuthService/Refresh";
const calls = 200;

/** A server that keeps what it is sent; from the call of this number on, it breaks off. */
async function startServer(protocol: "http" | "grpc", breaksAt = Number.POSITIVE_INFINITY) {
  const got: string[] = [];
  const seen = new Set<string>();
  async function take(headers: http.IncomingHttpHeaders, body: Buffer): Promise<boolean> {
    seen.add(`${headers.authorization} ${headers["content-type"]}`);
    got.push(body.toString());
    return got.length < breaksAt;
  }
  const server =
    protocol === "http"
      ? http.createServer(async (request, response) => {
          const isFine = await take(request.headers, await buffer(request));
          response.writeHead(isFine ? 200 : 500).end("answer");
        })
      : http2.createServer().on("stream", async (stream, headers) => {
          stream.on("error", () => {});
          if (await take(headers, await buffer(stream))) {
            stream.respond({ ":status": 200 }, { waitForTrailers: true });
            stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
            stream.end("answer");
          } else {
            stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
          }
        });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    got,
    seen,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]: () => void server.close(),
  };
}

const bodies = Array.from({ length: calls }, (_, index) => `message ${index}`);
const generators: [string, Generator, "http" | "grpc", readonly string[], string][] = [
  ["wrk", wrk, "http", bodies, "application/json"],
  ["h2load", h2load, "grpc", ["message"], "application/grpc+proto"],
  ["frames", grpc, "grpc", bodies, "application/grpc+proto"],
];

describe.each(generators)("%s", (_, send, protocol, messages, contentType) => {
  function loadFor(url: string): Load {
    const target = { url, path, credential };
    const requests = messages.map((body) =>
      protocol === "http" ? httpRequest(target, body) : Buffer.from(body),
    );
    return { ...target, calls, requests };
  }

  test("makes the calls, each with its message, and no other", async () => {
    using server = await startServer(protocol);
    const { seconds, p50Ms, p99Ms } = await send(loadFor(server.url));
    const expected = Array.from({ length: calls }, (_, index) => messages[index % messages.length]);
    expect(server.got.toSorted()).toEqual(expected.toSorted());
    expect([...server.seen]).toEqual([`Bearer ${credential} ${contentType}`]);
    expect(Math.min(seconds, p50Ms)).toBeGreaterThan(0);
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
  });

  test("takes no call that failed for one that was made", async () => {
    using server = await startServer(protocol, calls / 2);
    const fault = await send(loadFor(server.url)).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(Error);
    expect(String(fault)).not.toContain(credential);
  });

  test("fails without a server", async () => {
    const server = await startServer(protocol);
    server[Symbol.dispose]();
    await expect(send(loadFor(server.url))).rejects.toThrow();
  });
});
