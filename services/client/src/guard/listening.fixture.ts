import { once } from "node:events";
import { createServer, type RequestListener, type ServerOptions } from "node:http";
import { type AddressInfo, connect } from "node:net";

export interface Listening extends AsyncDisposable {
  readonly url: string;
}

/** Serves over HTTP/1.1 on a free port of 127.0.0.1. */
export async function listen(listener: RequestListener, options: ServerOptions = {}): Promise<Listening> {
  const server = createServer(options, listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/**
 * Asks with these header lines as they are, which `fetch` would join; with `json`, by POST.
 * @returns the whole answer
 */
export async function ask(
  url: string,
  path: string,
  { lines, json }: { readonly lines: readonly string[]; readonly json?: string },
): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const head = [
    `${json === undefined ? "GET" : "POST"} ${path} HTTP/1.1`,
    `host: ${hostname}`,
    "connection: close",
  ];
  const body = json === undefined ? [] : ["content-type: application/json", `content-length: ${json.length}`];
  socket.end([...head, ...body, ...lines, "", json ?? ""].join("\r\n"));
  let answer = "";
  for await (const piece of socket) answer += piece;
  return answer;
}
