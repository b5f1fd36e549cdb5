import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { NodeRequest, NodeResponse } from "./node-types.ts";

/** The content type of a call by gRPC or gRPC-Web; undefined: it is none. */
export function grpcTypeOf(request: NodeRequest): string | undefined {
  const type = request.headers["content-type"] ?? "";
  return request.method === "POST" && /^application\/grpc(-web(-text)?)?([+;]|$)/i.test(type)
    ? type
    : undefined;
}

/**
 * Answers a call by gRPC or gRPC-Web with an error and no message (`Trailers-Only` in gRPC's protocol): by HTTP/2 it is
 * one frame that ends the stream. Clients take a status in a head that does not end the stream for no status at all.
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
  // With the head not written yet, `end` makes it the last frame.
  response.end();
  if (!("stream" in request)) return;
  const { stream } = request;
  // A client that has not sent everything could hold the stream open.
  setImmediate(() => {
    if (!request.complete) stream.close();
  });
}
