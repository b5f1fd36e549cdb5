import type { ErrorCode } from "../domain/errors.ts";

/** The numbers of gRPC's status codes, which `google.rpc.Status` and Connect use too. */
export const statusCodes: Readonly<Record<ErrorCode, number>> = {
  invalid_argument: 3,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  out_of_range: 11,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
};
