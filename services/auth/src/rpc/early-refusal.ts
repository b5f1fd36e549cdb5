import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { PosternError } from "../domain/errors.ts";
import type { NodeRequest, NodeResponse } from "../lib/node-http.ts";
import { toConnectError } from "./errors.ts";
import { answerTrailersOnly, grpcTypeOf } from "./trailers-only.ts";

/**
 * Whoever is refused may come again at once, and a crowd of them would leave the event loop to nobody else. Held back
 * for so long, a client can make it refuse five times a second.
 */
const holdMs = 200;

const error = toConnectError(new PosternError("OVERLOADED"));
const connectBody = errorToJsonBytes(error, undefined);
const connectHead = {
  ...Object.fromEntries(error.metadata),
  "content-type": "application/json",
  "content-length": String(connectBody.length),
};

/**
 * Answers `OVERLOADED` to a call that there is no room for, unread and without the machinery of its protocol: at a
 * tenth of what the same answer costs from there.
 * @returns whether it does; what is no call of a protocol is left to who can say so
 */
export function refuseEarly(request: NodeRequest, response: NodeResponse, requestId: string): boolean {
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
    // The two kinds of response take the same arguments, and have no type in common that says so.
    (response as { writeHead(status: number, head: object): unknown }).writeHead(
      codeToHttpStatus(error.code),
      {
        ...connectHead,
        "x-request-id": requestId,
      },
    );
    response.end(connectBody);
  }, holdMs);
  return true;
}
