import { durationMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { ownMember } from "../core/own-members.ts";
import { PosternError } from "../core/postern-error.ts";
import { Unavailable } from "./unavailable.ts";

const sessionEnded: ReadonlySet<Reason> = new Set([
  Reason.INVALID_REFRESH_TOKEN,
  Reason.REFRESH_TOKEN_REUSED,
  Reason.SESSION_ENDED,
]);
const temporary: ReadonlySet<Reason> = new Set([
  Reason.UNAVAILABLE,
  Reason.OVERLOADED,
  Reason.RATE_LIMITED,
  Reason.CONFLICT,
  Reason.INTERNAL,
]);

/**
 * Converts the error of a call to Postern. An error without a reason is not from Postern: the call may or may not have
 * taken effect.
 */
export function toSdkError(error: unknown): PosternError {
  const detail = ConnectError.from(error).findDetails(ErrorDetailSchema)[0];
  if (detail === undefined) return new Unavailable("Postern cannot be reached", { cause: error });
  const message = `Postern answered: ${ConnectError.from(error).rawMessage}`;
  if (temporary.has(detail.reason)) {
    const retryAfter = ownMember(detail, "retryAfter");
    const retryAfterMs = retryAfter === undefined ? 0 : durationMs(retryAfter);
    return new Unavailable(message, { cause: error, retryAfterMs });
  }
  const code = sessionEnded.has(detail.reason) ? "ERR_SESSION_ENDED" : "ERR_LOGIN_REFUSED";
  return new PosternError(code, message, { cause: error });
}
