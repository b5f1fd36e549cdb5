import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";

export interface RedisAddress {
  /** Of 127.0.0.1. */
  readonly port: number;
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  /** PEM of the CA, where the server speaks TLS. */
  readonly ca?: string | undefined;
}

/** Maximum time of a connection attempt, and of a command. */
const timeoutMs = 10_000;

/** A test's own connection to one server. */
export interface RedisConnection {
  /**
   * Sends one command, over a new connection if there is none or the last was lost.
   * @throws what Redis answers as an error; if there is no connection; after 10 s without an answer
   */
  command(...words: (string | number)[]): Promise<unknown>;
  close(): void;
}

export function connectTo({ port, user, ca }: RedisAddress): RedisConnection {
  let current: { client: Redis; ready: Promise<void> } | undefined;

  function open() {
    const client = new Redis({
      host: "127.0.0.1",
      port,
      lazyConnect: true,
      retryStrategy: () => null,
      ...(user && { username: user.name, password: user.password }),
      ...(ca !== undefined && { tls: { ca } }),
      protocol: 2,
      disableClientInfo: true,
      enableReadyCheck: false,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
    });
    // Without a listener, ioredis prints errors. Commands reject with them anyway.
    client.on("error", () => {});
    client.once("end", () => {
      if (current?.client === client) current = undefined;
    });
    const connected = client.connect();
    // ioredis does not limit the wait for a server that accepts the connection and then answers nothing.
    const tooLate = delay(timeoutMs, undefined, { ref: false }).then(() => {
      if (client.status === "ready") return;
      client.disconnect();
      throw new Error(`no answer from 127.0.0.1:${port} within ${timeoutMs} ms`);
    });
    tooLate.catch(() => {});
    return { client, ready: Promise.race([connected, tooLate]) };
  }
  return {
    async command(...words) {
      current ??= open();
      const { client, ready } = current;
      await ready;
      const [name = "", ...rest] = words.map(String);
      return client.call(name, ...rest);
    },
    close() {
      current?.client.disconnect();
      current = undefined;
    },
  };
}
