import { Code, ConnectError } from "@connectrpc/connect";
import type { NodeRequest, NodeResponse } from "./node-types.ts";
import { answerTrailersOnly, grpcTypeOf } from "./trailers-only.ts";

const error = new ConnectError("no such method is served here", Code.Unimplemented);

/**
 * Answers a request for a path that nothing is served at: `UNIMPLEMENTED` by gRPC and gRPC-Web, else 404, which clients of
 * Connect take for the same. Health checks and reflection of load balancers and tools count on it.
 */
export function refuseUnknown(request: NodeRequest, response: NodeResponse, requestId: string): void {
  const type = grpcTypeOf(request);
  if (type !== undefined) {
    answerTrailersOnly(request, response, { type, error, requestId });
    return;
  }
  response.statusCode = 404;
  response.end();
}
