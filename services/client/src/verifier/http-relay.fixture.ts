import { once } from "node:events";
import { request as ask, createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An HTTP/1.1 proxy in front of a listener, at which single paths fail. */
export interface HttpRelay extends AsyncDisposable {
  readonly url: string;
  /** Paths of the requests so far. */
  readonly asked: readonly string[];
  /** Breaks off what goes on at paths with these endings, and answers with 503 to those who come. */
  refuse(...endings: string[]): void;
  /** Ends `refuse`. */
  restore(): void;
}

/** @param target base URL of the listener, read for every request */
export async function startHttpRelay(target: () => string): Promise<HttpRelay> {
  const asked: string[] = [];
  const open = new Map<ServerResponse, string>();
  let refused: readonly string[] = [];
  const isRefused = (path: string) => refused.some((ending) => path.endsWith(ending));

  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    if (isRefused(path)) {
      response.writeHead(503).end();
      return;
    }
    const { method = "GET", headers } = request;
    const upstream = ask(new URL(path, target()), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      response.flushHeaders();
      answer.on("error", () => response.destroy()).pipe(response);
    });
    upstream.on("error", () => response.destroy());
    request.on("error", () => upstream.destroy()).pipe(upstream);
    open.set(response, path);
    response
      .on("error", () => {})
      .on("close", () => {
        open.delete(response);
        upstream.destroy();
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    refuse(...endings) {
      refused = endings;
      for (const [response, path] of open) if (isRefused(path)) response.destroy();
    },
    restore() {
      refused = [];
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
