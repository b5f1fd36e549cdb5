import { Code, ConnectError } from "@connectrpc/connect";
import type { NodeRequest, NodeResponse } from "../lib/node-http.ts";
import { answerTrailersOnly, grpcTypeOf } from "./trailers-only.ts";

const error = new ConnectError("Postern does not serve this method", Code.Unimplemented);

/**
 * Answers a request for an unknown path: `UNIMPLEMENTED` by gRPC and gRPC-Web, otherwise 404, which Connect clients also
 * report as `unimplemented`. Health checks and reflection of load balancers and tools rely on it.
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
