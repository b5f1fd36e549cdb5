import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { createLeanClient } from "./support/load/lean-client.ts";

/** A server that answers each request with these pieces; `close` ends the connection after them. */
async function startServer(pieces: readonly string[]) {
  const sockets = new Set<Socket>();
  const requests: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", async (piece) => {
      requests.push(piece.toString("utf8"));
      for (const one of pieces) {
        if (one === "close") socket.end();
        else await new Promise((resolve) => socket.write(one, resolve));
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    sockets,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

const clientOf = (url: string, deadlineMs = 10_000) =>
  createLeanClient({ url: () => url, credential: "a credential", deadlineMs, slackMs: 100 });

const ok = "HTTP/1.1 200 OK\r\n";
const chunked = "Transfer-Encoding: chunked\r\n\r\n";
const active = { ok: true, message: { active: true } };
const unavailable =
  '{"code":"unavailable","details":[{"type":"postern.error.v1.ErrorDetail","value":"CBESAggB"}]}';

test.each([
  ["whole", [`${ok}${chunked}f\r\n{"active":true}\r\n0\r\n\r\n`], active],
  ["in pieces", [ok, chunked, '5\r\n{"act\r', '\na\r\nive":true}\r\n0\r\n', "\r\n"], active],
  ["with its length", [`${ok}Content-Length: 15\r\n\r\n{"active":`, "true}"], active],
  ["of nothing", [`${ok}Content-Length: 2\r\n\r\n{}`], { ok: true, message: {} }],
  [
    "with a reason",
    [`HTTP/1.1 503 \r\nContent-Length: ${unavailable.length}\r\n\r\n${unavailable}`],
    { ok: false, reason: "UNAVAILABLE" },
  ],
  [
    "with a code alone",
    ['HTTP/1.1 429 \r\nContent-Length: 29\r\n\r\n{"code":"resource_exhausted"}'],
    { ok: false, reason: "resource_exhausted" },
  ],
  ["with a status alone", ["HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n"], { ok: false, reason: "HTTP 503" }],
  ["cut off", [`${ok}${chunked}f\r\n{"active"`, "close"], { ok: false, reason: "CLOSED" }],
])("an answer %s is read, and again over what is left of the connection", async (_, pieces, expected) => {
  await using server = await startServer(pieces);
  using client = clientOf(server.url);
  expect(await client.call("Introspect", { token: "ü" })).toEqual(expected);
  expect(await client.call("Introspect", { token: "ü" })).toEqual(expected);
  expect(server.sockets.size).toBe(pieces.includes("close") ? 2 : 1);
  const [head, body] = server.requests[0]?.split("\r\n\r\n") ?? [];
  expect(head).toContain("POST /postern.auth.v1.AuthService/Introspect HTTP/1.1\r\n");
  expect(head).toContain("\r\nauthorization: Bearer a credential\r\nconnect-timeout-ms: 10000\r\n");
  expect(body).toBe('{"token":"ü"}');
});

test("a connection that the server means to close is not used again", async () => {
  await using server = await startServer([`${ok}Connection: close\r\nContent-Length: 2\r\n\r\n{}`]);
  using client = clientOf(server.url);
  await client.call("Introspect", {});
  expect(await client.call("Introspect", {})).toEqual({ ok: true, message: {} });
  expect(server.sockets.size).toBe(2);
});

test("calls at the same time have connections of their own", async () => {
  await using server = await startServer([`${ok}Content-Length: 2\r\n\r\n{}`]);
  using client = clientOf(server.url);
  const answers = await Promise.all([1, 2, 3].map(() => client.call("Introspect", {})));
  expect(answers).toEqual([1, 2, 3].map(() => ({ ok: true, message: {} })));
  expect(server.sockets.size).toBe(3);
});

test("a call that is never answered is past its deadline", async () => {
  await using server = await startServer([]);
  using client = clientOf(server.url, 50);
  expect(await client.call("Introspect", {})).toEqual({ ok: false, reason: "PAST_DEADLINE" });
});

test("without a server, nothing was sent", async () => {
  const server = await startServer([]);
  await server[Symbol.asyncDispose]();
  using client = clientOf(server.url);
  expect(await client.call("Introspect", {})).toEqual({ ok: false, reason: "ECONNREFUSED" });
});

test("a server that restarts at another address is followed", async () => {
  const answer = [`${ok}Content-Length: 2\r\n\r\n{}`];
  await using first = await startServer(answer);
  await using second = await startServer(answer);
  let { url } = first;
  using client = createLeanClient({ url: () => url, credential: "c", deadlineMs: 10_000, slackMs: 0 });
  await client.call("Introspect", {});
  url = second.url;
  await client.call("Introspect", {});
  expect([first, second].map(({ requests }) => requests.length)).toEqual([1, 1]);
});
