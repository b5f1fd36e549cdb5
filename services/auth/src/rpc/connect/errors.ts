import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, Reason as WireReason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { type Outcome, outcomeOf, StatusError } from "../../call/outcome.ts";
import { AuthError, type Reason, reasons } from "../../domain/errors.ts";
import { statusCodes } from "../status-codes.ts";
import { ViolationError } from "../validate.ts";

/** What crosses the wire for an error: ours with its reason, Connect's own unchanged, and anything else as `INTERNAL`. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof StatusError) return new ConnectError(error.message, statusCodes[error.code] as Code);
  const known = error instanceof AuthError ? error : new AuthError("INTERNAL");
  const code = statusCodes[reasons[known.reason].code] as Code;
  const result = new ConnectError(known.message, code, undefined, [
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
  if (known instanceof ViolationError) {
    const [value, desc] = known.toDetail();
    result.details.push({ desc, value });
  }
  return result;
}

/** As `outcomeOf`. Connect's own errors have a code and no reason. */
export function connectOutcomeOf(error: unknown): Outcome {
  if (!(error instanceof ConnectError)) return outcomeOf(error);
  return { outcome: Code[error.code], isFault: error.code === Code.Internal };
}

/** The error has the call's ID, so that a report of it leads to the log. */
export function withRequestId(error: ConnectError, requestId: string): ConnectError {
  error.metadata.set("x-request-id", requestId);
  return error;
}

/** The enum is generated from the reasons' names, so a reason that the proto lacks does not compile. */
function toWireReason(reason: Reason): WireReason {
  return WireReason[reason satisfies keyof typeof WireReason];
}
