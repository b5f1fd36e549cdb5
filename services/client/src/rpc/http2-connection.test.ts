import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Http2Connection } from "./http2-connection.ts";

let server: Http2Server;
let sessions: ServerHttp2Session[];
let connection: Http2Connection;

beforeEach(async () => {
  sessions = [];
  server = createServer();
  server.on("session", (session) => sessions.push(session.on("error", () => {})));
  // Requests for /held are not answered.
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200 });
    if (headers[":path"] !== "/held") stream.end(`${headers[":method"]} ${headers[":path"]}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  connection = new Http2Connection(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a/path`);
});
afterEach(async () => {
  connection.abort();
  for (const session of sessions) session.destroy();
  if (server.listening) server.close();
});

const ask = async (path: string) => (await connection.request("POST", path, {})).on("error", () => {}).end();
async function answerTo(path: string): Promise<string> {
  let text = "";
  for await (const piece of await ask(path)) text += piece;
  return text;
}

test("carries one request after the other, and many at once", async () => {
  expect(await answerTo("/one")).toBe("POST /one");
  const answers = await Promise.all(["/two", "/three", "/four"].map(answerTo));
  expect(answers).toEqual(["POST /two", "POST /three", "POST /four"]);
  expect(sessions).toHaveLength(1);
});

test("is replaced after a GOAWAY: open requests continue, and new ones use the new connection", async () => {
  const held = await ask("/held");
  await once(held, "response");
  sessions[0]?.goaway();
  // The next request may be on its way already when the frame arrives; those after it are not.
  await answerTo("/one").catch(() => {});
  expect(await answerTo("/two")).toBe("POST /two");
  expect(sessions).toHaveLength(2);
  expect(held.closed).toBe(false);
});

test("a GOAWAY on a connection without streams does not end the process", async () => {
  for (let round = 0; round < 20; round += 1) {
    expect(await answerTo("/one")).toBe("POST /one");
    sessions.at(-1)?.close();
    // Before, while and after it arrives.
    for (let turn = 0; turn < round % 5; turn += 1) await new Promise(setImmediate);
    await answerTo("/two").catch(() => {});
  }
  expect(sessions.length).toBeGreaterThan(10);
});

test("`abort` closes the connection with its streams, and the next request opens another one", async () => {
  const held = await ask("/held");
  await once(held, "response");
  connection.abort();
  await expect(once(held.resume(), "end")).rejects.toThrow("aborted");
  expect(await answerTo("/one")).toBe("POST /one");
  connection.abort();
  connection.abort();
});

test("`abort` while it connects rejects waiting requests", async () => {
  const waiting = answerTo("/one");
  connection.abort();
  await expect(waiting).rejects.toThrow();
});

test("a refused connection rejects the request, and the next request connects again", async () => {
  const { port } = server.address() as AddressInfo;
  server.close();
  for (let round = 0; round < 2; round += 1) {
    await expect(answerTo("/one")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  }
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  expect(await answerTo("/one")).toBe("POST /one");
});
