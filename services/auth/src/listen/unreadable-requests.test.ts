import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { afterEach, expect, test, vi } from "vitest";
import { refuseUnreadable } from "./unreadable-requests.ts";

let server: Server | undefined;

afterEach(() => {
  vi.useRealTimers();
  server?.closeAllConnections();
  server?.close();
});

async function listen(options = {}): Promise<() => Socket> {
  const made = createServer(options);
  server = made;
  refuseUnreadable(made, () => true);
  made.listen(0, "127.0.0.1");
  await once(made, "listening");
  const { port } = made.address() as AddressInfo;
  return () => connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => {});
}

async function answerOf(socket: Socket): Promise<string> {
  let text = "";
  for await (const piece of socket) text += piece;
  return text;
}

test("a request whose headers do not arrive in time gets 408", async () => {
  const open = await listen({ headersTimeout: 1, connectionsCheckingInterval: 1 });
  const socket = open();
  socket.write("GET / HTTP/1.1\r\nhost: a\r\n");
  expect(await answerOf(socket)).toBe(
    "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
  );
});

test.each(["no HTTP\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n"])(
  "a client that keeps its side open after %j loses the connection",
  async (text) => {
    const open = await listen();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const connections = promisify((done: (error: Error | null, count: number) => void) =>
      server?.getConnections(done),
    );
    const socket = open();
    const [serverSocket] = (await Promise.all([
      once(server as Server, "connection").then(([one]) => one),
      socket.write(text),
    ])) as [Socket, boolean];
    socket.resume();
    await once(socket, "end");
    expect(await connections()).toBe(1);
    const closed = once(serverSocket, "close");
    vi.runOnlyPendingTimers();
    await closed;
    expect(await connections()).toBe(0);
    socket.destroy();
  },
);
