import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, Reason as WireReason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { type ErrorCode, PosternError, type Reason, reasons } from "../domain/errors.ts";

const codes: Readonly<Record<ErrorCode, Code>> = {
  invalid_argument: Code.InvalidArgument,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  permission_denied: Code.PermissionDenied,
  resource_exhausted: Code.ResourceExhausted,
  failed_precondition: Code.FailedPrecondition,
  aborted: Code.Aborted,
  out_of_range: Code.OutOfRange,
  internal: Code.Internal,
  unavailable: Code.Unavailable,
  unauthenticated: Code.Unauthenticated,
};

/** What crosses the wire for an error: our own with its reason, Connect's own as it is, all else `INTERNAL`. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const known = error instanceof PosternError ? error : new PosternError("INTERNAL");
  const { code } = reasons[known.reason];
  const result = new ConnectError(known.message, codes[code], undefined, [
    {
      desc: ErrorDetailSchema,
      value: create(ErrorDetailSchema, {
        reason: toWireReason(known.reason),
        ...(known.retryAfterMs === undefined ? {} : { retryAfter: durationFromMs(known.retryAfterMs) }),
      }),
    },
  ]);
  if (known.retryAfterMs !== undefined) {
    result.metadata.set("retry-after", String(Math.ceil(known.retryAfterMs / 1000)));
  }
  return result;
}

/** How a call ended, by what it threw; undefined for success. */
export function outcomeOf(error: unknown): { readonly outcome: string; readonly isFault: boolean } {
  if (error === undefined) return { outcome: "ok", isFault: false };
  if (error instanceof PosternError) return { outcome: error.reason, isFault: error.reason === "INTERNAL" };
  if (error instanceof ConnectError) {
    return { outcome: Code[error.code], isFault: error.code === Code.Internal };
  }
  return { outcome: "INTERNAL", isFault: true };
}

/** The call's name travels with its error, so that a report of one leads to the log. */
export function withRequestId(error: ConnectError, requestId: string): ConnectError {
  error.metadata.set("x-request-id", requestId);
  return error;
}

/** The enum is generated from the reasons' names, so one that the proto lacks does not compile. */
function toWireReason(reason: Reason): WireReason {
  return WireReason[reason satisfies keyof typeof WireReason];
}
