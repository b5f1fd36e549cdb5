import { once } from "node:events";
import { createServer, type Http2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  AuthService,
  type WatchRevocationsResponseSchema,
} from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { poll } from "../support/poll.ts";

type Message = MessageInitShape<typeof WatchRevocationsResponseSchema>;

/** One call of `WatchRevocations`, answered as the test says. */
export interface WatchCall {
  readonly cursor: string;
  readonly authorization: string | null;
  send(message: Message): void;
  /** Ends the stream; with an error, by it. */
  end(error?: ConnectError): void;
}

/** A gRPC server whose every message the test writes. */
export async function startScriptedFeed() {
  const calls: WatchCall[] = [];
  const sessions = new Set<Http2Session>();

  async function* answer(cursor: string, authorization: string | null): AsyncGenerator<Message> {
    const queue: (Message | ConnectError | undefined)[] = [];
    let wake = Promise.withResolvers<void>();
    const put = (item: (typeof queue)[number]) => {
      queue.push(item);
      wake.resolve();
    };
    calls.push({ cursor, authorization, send: put, end: put });
    let last = cursor;
    for (;;) {
      while (queue.length > 0) {
        const item = queue.shift();
        if (item === undefined) return;
        if (item instanceof Error) throw item;
        last = item.cursor ?? last;
        yield item;
      }
      wake = Promise.withResolvers();
      const isWoken = await Promise.race([wake.promise.then(() => true), delay(1_000, false)]);
      // Otherwise the reader would take a test that is slow for a server that is gone.
      if (!isWoken) yield { cursor: last };
    }
  }

  const server = createServer(
    connectNodeAdapter({
      routes: (router) =>
        router.service(AuthService, {
          watchRevocations: ({ cursor }, { requestHeader }) =>
            answer(cursor, requestHeader.get("authorization")),
        }),
    }),
  );
  server.on("session", (session) => sessions.add(session));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    /** The call of this number, from 0 on, when it comes. */
    call: (index: number) => poll(`call ${index}`, 60_000, async () => calls[index]),
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
