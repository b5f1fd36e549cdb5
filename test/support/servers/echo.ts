import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it came through. */
export interface EchoedRequest {
  readonly method: string;
  /** Path and query, as they were written. */
  readonly target: string;
  /** Names in lower case; of those that are then alike, all values. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: string;
  /** Names in lower case. */
  readonly trailers: readonly string[];
}

/** An application behind a proxy, which answers everything with 200 and remembers it. */
export interface Echo extends AsyncDisposable {
  readonly address: string;
  readonly received: EchoedRequest[];
}

/** Starts it on a free port of 127.0.0.1. */
export async function startEcho(): Promise<Echo> {
  const received: EchoedRequest[] = [];
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const headers: Record<string, string[]> = {};
    for (let index = 0; index < request.rawHeaders.length; index += 2) {
      const name = request.rawHeaders[index]?.toLowerCase() ?? "";
      headers[name] = [...(headers[name] ?? []), request.rawHeaders[index + 1] ?? ""];
    }
    const trailers = Object.keys(request.trailers);
    const { method = "", url: target = "" } = request;
    received.push({ method, target, headers, body: Buffer.concat(pieces).toString(), trailers });
    response.setHeader("content-type", "text/plain");
    response.end("the application's answer");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
