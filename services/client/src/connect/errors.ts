import { Code, ConnectError } from "@connectrpc/connect";
import { refusalOf } from "../guard/refusal.ts";

const codes = { 401: Code.Unauthenticated, 403: Code.PermissionDenied, 503: Code.Unavailable } as const;

/** A guard's error as its protocol tells it, challenge included; what says nothing of the request stays as it is. */
export function toConnectError(error: unknown): unknown {
  const refusal = refusalOf(error);
  if (refusal === undefined) return error;
  return new ConnectError(refusal.body.message, codes[refusal.status], refusal.headers, undefined, error);
}
