import { Code, ConnectError } from "@connectrpc/connect";
import { arrivalOf } from "../call/arrival.ts";
import type { NodeHandler } from "../lib/node-http.ts";
import { answerTrailersOnly, grpcTypeOf } from "./trailers-only.ts";

const error = new ConnectError("Postern does not serve this method", Code.Unimplemented);

/**
 * Answers a request for an unknown path: `UNIMPLEMENTED` by gRPC and gRPC-Web, otherwise 404, which Connect clients also
 * report as `unimplemented`. Health checks and reflection of load balancers and tools rely on it.
 */
export function createUnknownCallHandler(newRequestId: () => string): NodeHandler {
  return (request, response) => {
    request.resume();
    const type = grpcTypeOf(request);
    if (type !== undefined) {
      const { id } = arrivalOf(request, newRequestId);
      answerTrailersOnly(request, response, { type, error, requestId: id });
      return;
    }
    response.writeHead(404);
    response.end();
  };
}
