import http from "node:http";
import http2 from "node:http2";
import { buffer } from "node:stream/consumers";
import type { Protocol, Target } from "./wire-forms.ts";

/** What a call was answered, for a server that shall answer the same. */
export interface Answer {
  readonly protocol: Protocol;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of gRPC alone. */
  readonly trailers: Readonly<Record<string, string>>;
  /** Base64. */
  readonly body: string;
}

/** Node adds these by itself. */
const ownHeaders = new Set([":status", "date", "connection", "keep-alive"]);

/** The answer to one call of HTTP/1.1; a GET if there is no body. */
export async function answerByHttp({ url, path, credential }: Target, body?: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const request = http.request(`${url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    agent: false,
    headers: {
      ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
  });
  request.once("response", resolve).once("error", reject).end(body);
  const response = await promise;
  const content = await buffer(response);
  if (response.statusCode !== 200) throw new Error(`${path} answered ${response.statusCode}: ${content}`);
  const headers = plain(response.headers);
  return { protocol: "JSON", path, headers, trailers: {}, body: content.toString("base64") };
}

/** The answer to one call of gRPC. */
export async function answerByGrpc({ url, path, credential }: Target, message: Uint8Array): Promise<Answer> {
  const session = http2.connect(url);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc+proto",
      te: "trailers",
      ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
    });
    let [headers, trailers]: NodeJS.Dict<string | string[] | number>[] = [{}, {}];
    stream.on("response", (got) => {
      headers = got;
    });
    stream.on("trailers", (got) => {
      trailers = got;
    });
    stream.end(message);
    const body = (await buffer(stream)).toString("base64");
    if (trailers?.["grpc-status"] !== "0") throw new Error(`${path} answered ${JSON.stringify(trailers)}`);
    return { protocol: "gRPC", path, headers: plain(headers ?? {}), trailers: plain(trailers), body };
  } finally {
    session.destroy();
  }
}

function plain(headers: NodeJS.Dict<string | string[] | number>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !ownHeaders.has(name))
      .map(([name, value]) => [name, String(value)]),
  );
}
