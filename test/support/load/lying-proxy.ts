import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { post } from "../clients/wire.ts";
import type { HttpAnswer } from "./http-connection.ts";

/**
 * What becomes of a call of a method.
 * @param ask the server behind
 * @returns undefined: the call is never answered
 */
export type Lie = (
  call: { readonly method: string; readonly body: string },
  ask: () => Promise<HttpAnswer>,
) => Promise<HttpAnswer | undefined>;

/** A server with a fault: one that is well, behind a proxy that does not hand on what it says. */
export interface LyingProxy extends AsyncDisposable {
  readonly url: string;
  /** Hands everything on from now on. */
  restore(): void;
}

/** Starts it on a free port of 127.0.0.1. */
export async function startLyingProxy(target: string, lie: Lie): Promise<LyingProxy> {
  let isLying = true;
  async function ask(request: IncomingMessage, body: string): Promise<HttpAnswer> {
    const headers = ["content-type", "authorization", "connect-timeout-ms"].map(
      (name) => [name, String(request.headers[name])] as const,
    );
    const answer = await post(new URL(request.url ?? "", target).href, headers, body);
    return { status: answer.status, body: answer.body.toString("utf8") };
  }
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const method = request.url?.split("/").at(-1) ?? "";
    const honest = () => ask(request, body);
    const answer = await (isLying ? lie({ method, body }, honest) : honest());
    if (answer !== undefined) response.writeHead(answer.status).end(answer.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    restore() {
      isLying = false;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
