import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";

/** A response by HTTP/1.1 or HTTP/2; headers include trailers. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** One HTTP/1.1 POST whose headers go out exactly as listed, repeated ones too. */
export async function post(
  url: string,
  headers: readonly (readonly [string, string])[],
  body: string | Uint8Array,
): Promise<WireAnswer> {
  const { host } = new URL(url);
  const length = String(Buffer.byteLength(body));
  // A server may answer before it has read all, and cut the rest off.
  const request = http.request(url, {
    method: "POST",
    agent: false,
    headers: [["host", host], ["content-length", length], ...headers].flat(),
  });
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  request.once("response", resolve).once("error", reject);
  request.end(body);
  const response = await promise;
  const pieces: Buffer[] = [];
  try {
    for await (const piece of response) pieces.push(piece);
  } catch (error) {
    if (!response.complete) throw error;
  }
  return { status: response.statusCode ?? 0, headers: flat(response.headers), body: Buffer.concat(pieces) };
}

/** One Connect unary call by JSON over HTTP/1.1; `json` is sent unchanged. */
export async function postJson(
  url: string,
  credential: string | undefined,
  json: string | Uint8Array,
  more: readonly (readonly [string, string])[] = [],
): Promise<WireAnswer> {
  const authorization = credential === undefined ? [] : [["authorization", `Bearer ${credential}`] as const];
  return post(url, [["content-type", "application/json"], ...authorization, ...more], json);
}

/** One gRPC call over its own connection; `body` is sent unchanged, with its frames. */
export async function grpc(
  baseUrl: string,
  path: string,
  headers: http2.OutgoingHttpHeaders,
  body: Uint8Array,
): Promise<WireAnswer> {
  const session = http2.connect(baseUrl);
  try {
    const stream = openGrpc(session, path, headers);
    stream.end(body);
    return await readAnswer(stream);
  } finally {
    session.destroy();
  }
}

/** Opens a gRPC call and leaves it open. */
export function openGrpc(
  session: http2.ClientHttp2Session,
  path: string,
  headers: http2.OutgoingHttpHeaders,
): http2.ClientHttp2Stream {
  return session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc+proto",
    te: "trailers",
    ...headers,
  });
}

/** Reads a call's answer to its end. */
export async function readAnswer(stream: http2.ClientHttp2Stream): Promise<WireAnswer> {
  let headers: Record<string, string> = {};
  stream.on("response", (got) => {
    headers = { ...headers, ...flat(got) };
  });
  stream.on("trailers", (got) => {
    headers = { ...headers, ...flat(got) };
  });
  const pieces: Buffer[] = [];
  stream.on("data", (piece: Buffer) => pieces.push(piece));
  await once(stream, "end");
  return { status: Number(headers[":status"]), headers, body: Buffer.concat(pieces) };
}

/** The binary `IntrospectRequest` with this token. */
export function introspectRequest(token: string): Buffer {
  const text = Buffer.from(token);
  const length: number[] = [];
  let rest = text.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([0x0a, ...length, rest]), text]);
}

/** A message in the envelope of gRPC and gRPC-Web. */
export function frame(message: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed ? 1 : 0, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The gRPC status in an answer, from its headers, trailers or gRPC-Web's trailer frame; -1: none. */
export function grpcStatus(answer: WireAnswer): number {
  const result =
    answer.headers["grpc-status"] ?? /grpc-status: ?(\d+)/i.exec(answer.body.toString("latin1"))?.[1];
  return result === undefined ? -1 : Number(result);
}

/** The code in a Connect error's body. */
export function connectCode(answer: WireAnswer): string {
  return JSON.parse(answer.body.toString("utf8")).code;
}

/** The reason in a Connect error's body, without its prefix; `undefined` as text where it has none. */
export function connectReason(answer: WireAnswer): string {
  const [detail] = JSON.parse(answer.body.toString("utf8")).details ?? [];
  return String(detail?.debug?.reason).replace("REASON_", "");
}

function flat(headers: NodeJS.Dict<string | string[] | number>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
