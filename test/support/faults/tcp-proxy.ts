import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** A proxy between a client and a server, at which the network between them fails. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections it has taken. */
  readonly taken: number;
  /** The URL with this proxy in the place of its host and port. */
  through(url: string): string;
  /** Resets every connection, and each new one at once. */
  cut(): void;
  /** Accepts connections and swallows nothing, but hands nothing on either, as a black hole does. */
  hold(): void;
  /** Hands every piece on so many milliseconds later, in both directions. */
  delay(ms: number): void;
  /** Ends one direction of every connection; the other one continues. */
  halfClose(towards: "client" | "server"): void;
  /** Ends `cut`, `hold` and `delay`; what was held goes on. */
  restore(): void;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of 127.0.0.1 to a TCP port, which need not be open yet. */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const dialled = new WeakSet<Socket>();
  let isCut = false;
  let delayMs = 0;
  let gate = Promise.withResolvers<void>();
  gate.resolve();

  function track(socket: Socket): Socket {
    sockets.add(socket);
    return socket
      .on("error", () => {})
      .on("close", () => sockets.delete(socket))
      .setNoDelay();
  }
  async function pump(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const piece of from) {
        if (delayMs > 0) await delay(delayMs);
        await gate.promise;
        if (!to.write(piece)) await once(to, "drain");
      }
      await gate.promise;
      to.end();
    } catch {
      // A reset on one side is one on the other.
      to.resetAndDestroy();
    }
  }
  function reset(): void {
    for (const socket of sockets) socket.resetAndDestroy();
  }
  function restore(): void {
    isCut = false;
    delayMs = 0;
    gate.resolve();
  }

  let taken = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    taken += 1;
    track(client);
    if (isCut) {
      client.resetAndDestroy();
      return;
    }
    const upstream = track(dial({ ...target, allowHalfOpen: true }));
    dialled.add(upstream);
    void pump(client, upstream);
    void pump(upstream, client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  async function close(): Promise<void> {
    restore();
    reset();
    server.close();
    await once(server, "close");
  }
  return {
    get taken() {
      return taken;
    },
    port,
    through(url) {
      const moved = new URL(url);
      moved.host = `127.0.0.1:${port}`;
      return moved.href;
    },
    cut() {
      isCut = true;
      gate.resolve();
      reset();
    },
    hold() {
      gate.resolve();
      gate = Promise.withResolvers<void>();
    },
    delay(ms) {
      delayMs = ms;
    },
    halfClose(towards) {
      for (const socket of sockets) if (dialled.has(socket) === (towards === "server")) socket.end();
    },
    restore,
    close,
    [Symbol.asyncDispose]: close,
  };
}
