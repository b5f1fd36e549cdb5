import { Code, ConnectError } from "@connectrpc/connect";
import { refusalOf } from "../guard/refusal.ts";

const codes = { 401: Code.Unauthenticated, 403: Code.PermissionDenied, 503: Code.Unavailable } as const;

/** Converts a guard's error, with its challenge. Errors that do not concern the request are returned unchanged. */
export function toConnectError(error: unknown): unknown {
  const refusal = refusalOf(error);
  if (refusal === undefined) return error;
  return new ConnectError(refusal.body.message, codes[refusal.status], refusal.headers, undefined, error);
}
