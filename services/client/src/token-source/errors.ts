import { durationMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { ownMember } from "../core/own-members.ts";
import { PosternError } from "../core/postern-error.ts";
import { Unavailable } from "./unavailable.ts";

const sessionIsOver: ReadonlySet<Reason> = new Set([
  Reason.INVALID_REFRESH_TOKEN,
  Reason.REFRESH_TOKEN_REUSED,
  Reason.SESSION_ENDED,
]);
const mayPass: ReadonlySet<Reason> = new Set([
  Reason.UNAVAILABLE,
  Reason.OVERLOADED,
  Reason.RATE_LIMITED,
  Reason.CONFLICT,
  Reason.INTERNAL,
]);

/**
 * What a failed call to Postern means. One without a reason is not Postern's own: whether anything was done is
 * unknown.
 */
export function toSdkError(error: unknown): PosternError {
  const detail = ConnectError.from(error).findDetails(ErrorDetailSchema)[0];
  if (detail === undefined) return new Unavailable("Postern cannot be reached", { cause: error });
  const message = `Postern answered: ${ConnectError.from(error).rawMessage}`;
  if (mayPass.has(detail.reason)) {
    const retryAfter = ownMember(detail, "retryAfter");
    const retryAfterMs = retryAfter === undefined ? 0 : durationMs(retryAfter);
    return new Unavailable(message, { cause: error, retryAfterMs });
  }
  const code = sessionIsOver.has(detail.reason) ? "ERR_SESSION_ENDED" : "ERR_LOGIN_REFUSED";
  return new PosternError(code, message, { cause: error });
}
