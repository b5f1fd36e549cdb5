import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { AuthError } from "../domain/errors.ts";
import type { NodeRequest, NodeResponse } from "../lib/node-http.ts";
import { toConnectError } from "./connect/errors.ts";
import { answerTrailersOnly, grpcTypeOf } from "./trailers-only.ts";

/**
 * Delay of a refusal. Without it, clients that retry immediately would starve the event loop; with it, each connection
 * costs at most five refusals a second.
 */
const holdMs = 200;

const error = toConnectError(new AuthError("OVERLOADED"));
const connectBody = errorToJsonBytes(error, undefined);
const connectHead = {
  ...Object.fromEntries(error.metadata),
  "content-type": "application/json",
  "content-length": String(connectBody.length),
};

/**
 * Answers `OVERLOADED` before the body is read, and without the machinery of the protocol, which would cost ten times as
 * much.
 * @returns whether it does: a request that is not a call of a known protocol needs the full machinery for its refusal
 */
export function shedLoad(request: NodeRequest, response: NodeResponse, requestId: string): boolean {
  const grpcType = grpcTypeOf(request);
  const isConnect = /^application\/(json|proto)$/i.test(request.headers["content-type"] ?? "");
  if (request.method !== "POST" || (grpcType === undefined && !isConnect)) return false;
  request.resume();
  setTimeout(() => {
    // The listener may have refused the call in the meantime.
    if (response.destroyed || response.headersSent) return;
    if (grpcType !== undefined) {
      answerTrailersOnly(request, response, { type: grpcType, error, requestId });
      return;
    }
    response.writeHead(codeToHttpStatus(error.code), { ...connectHead, "x-request-id": requestId });
    response.end(connectBody);
  }, holdMs);
  return true;
}
