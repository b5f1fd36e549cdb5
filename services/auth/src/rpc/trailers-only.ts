import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { NodeRequest, NodeResponse } from "../lib/node-http.ts";

/** The content type of a gRPC or gRPC-Web call; undefined for any other request. */
export function grpcTypeOf(request: NodeRequest): string | undefined {
  const type = request.headers["content-type"] ?? "";
  return request.method === "POST" && /^application\/grpc(-web(-text)?)?([+;]|$)/i.test(type)
    ? type
    : undefined;
}

/**
 * Answers a gRPC or gRPC-Web call with an error and no message (`Trailers-Only` in gRPC's protocol). Over HTTP/2 the answer
 * is one frame that ends the stream. Clients ignore a status in a header frame that does not end the stream.
 */
export function answerTrailersOnly(
  request: NodeRequest,
  response: NodeResponse,
  {
    type,
    error,
    requestId,
  }: { readonly type: string; readonly error: ConnectError; readonly requestId: string },
): void {
  const head = setTrailerStatus(new Headers({ "content-type": type, "x-request-id": requestId }), error);
  response.statusCode = 200;
  for (const [name, value] of head) response.setHeader(name, value);
  // The headers are not written yet, so `end` makes them the last frame.
  response.end();
  if (!("stream" in request)) return;
  const { stream } = request;
  // A client that has not sent its whole request could keep the stream open.
  setImmediate(() => {
    if (!request.complete) stream.close();
  });
}
