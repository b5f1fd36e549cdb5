/**
 * Why a call failed. The names are those of `postern.error.v1.Reason`. Only the table below says what each becomes on the
 * wire.
 */
export type Reason =
  | "INVALID_CREDENTIALS"
  | "INVALID_REFRESH_TOKEN"
  | "REFRESH_TOKEN_REUSED"
  | "SESSION_ENDED"
  | "INVALID_CLIENT"
  | "NOT_PERMITTED"
  | "SCOPE_TOO_WIDE"
  | "RATE_LIMITED"
  | "OVERLOADED"
  | "INVALID_REQUEST"
  | "WEAK_PASSWORD"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "CONFLICT"
  | "PRECONDITION_FAILED"
  | "CURSOR_TOO_OLD"
  | "UNAVAILABLE"
  | "INTERNAL";

/** A Connect error code, as its wire name. */
export type ErrorCode =
  | "invalid_argument"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "internal"
  | "unavailable"
  | "unauthenticated";

/** What a reason becomes on the wire. */
export interface ReasonMapping {
  readonly code: ErrorCode;
  /** OAuth 2 error code (RFC 6749 section 5.2); absent if no OAuth 2 endpoint can fail for this reason. */
  readonly oauth?: string;
  /** HTTP status of an OAuth 2 endpoint. */
  readonly httpStatus: number;
  /** The message, unless the error has a better one. */
  readonly message: string;
}

/** A `Record` over every reason, so that a reason without its mappings does not compile. */
export const reasons: Readonly<Record<Reason, ReasonMapping>> = {
  INVALID_CREDENTIALS: {
    code: "unauthenticated",
    oauth: "invalid_grant",
    httpStatus: 400,
    message: "unknown user or wrong password",
  },
  INVALID_REFRESH_TOKEN: {
    code: "unauthenticated",
    oauth: "invalid_grant",
    httpStatus: 400,
    message: "not a refresh token of this caller; log in again",
  },
  REFRESH_TOKEN_REUSED: {
    code: "unauthenticated",
    oauth: "invalid_grant",
    httpStatus: 400,
    message: "the refresh token was used before, so its session has been ended; log in again",
  },
  SESSION_ENDED: {
    code: "unauthenticated",
    oauth: "invalid_grant",
    httpStatus: 400,
    message: "the session has ended; log in again",
  },
  INVALID_CLIENT: {
    code: "unauthenticated",
    oauth: "invalid_client",
    httpStatus: 401,
    message: "send the caller's credential as `authorization: Bearer <credential>`",
  },
  NOT_PERMITTED: {
    code: "permission_denied",
    oauth: "unauthorized_client",
    httpStatus: 400,
    message: "the caller may not do this",
  },
  SCOPE_TOO_WIDE: {
    code: "permission_denied",
    oauth: "invalid_scope",
    httpStatus: 400,
    message: "the requested scope is wider than allowed",
  },
  RATE_LIMITED: {
    code: "resource_exhausted",
    oauth: "invalid_request",
    httpStatus: 429,
    message: "too many failed logins; try again later",
  },
  OVERLOADED: {
    code: "resource_exhausted",
    oauth: "temporarily_unavailable",
    httpStatus: 429,
    message: "the server has too much work; try again later",
  },
  INVALID_REQUEST: {
    code: "invalid_argument",
    oauth: "invalid_request",
    httpStatus: 400,
    message: "the request is malformed",
  },
  WEAK_PASSWORD: {
    code: "invalid_argument",
    oauth: "invalid_request",
    httpStatus: 400,
    message: "the password is too weak",
  },
  NOT_FOUND: { code: "not_found", httpStatus: 404, message: "not found" },
  ALREADY_EXISTS: { code: "already_exists", httpStatus: 409, message: "the name is taken" },
  CONFLICT: {
    code: "aborted",
    httpStatus: 409,
    message: "it was changed at the same time; read it again, then retry",
  },
  PRECONDITION_FAILED: {
    code: "failed_precondition",
    httpStatus: 400,
    message: "not allowed in its current state",
  },
  CURSOR_TOO_OLD: {
    code: "out_of_range",
    httpStatus: 400,
    message: "the cursor is too old or unknown; start without a cursor",
  },
  UNAVAILABLE: {
    code: "unavailable",
    oauth: "temporarily_unavailable",
    httpStatus: 503,
    message: "the database did not answer in time; try again",
  },
  INTERNAL: { code: "internal", oauth: "server_error", httpStatus: 500, message: "internal error" },
};

export interface PosternErrorOptions {
  /** For the caller: what was wrong and what to do. Never a secret, never the text of an internal error. */
  readonly message?: string;
  /** Milliseconds after which a retry can succeed. */
  readonly retryAfterMs?: number;
  /** The cause, for the log only. */
  readonly cause?: unknown;
}

/** The error that use cases and stores throw on purpose. Any other error becomes `INTERNAL`. */
export class AuthError extends Error {
  readonly reason: Reason;
  readonly retryAfterMs: number | undefined;

  constructor(reason: Reason, options: PosternErrorOptions = {}) {
    super(options.message ?? reasons[reason].message, { cause: options.cause });
    this.name = "AuthError";
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs ?? defaultRetryAfterMs(reason);
  }
}

function defaultRetryAfterMs(reason: Reason): number | undefined {
  return reason === "UNAVAILABLE" || reason === "OVERLOADED" || reason === "RATE_LIMITED" ? 1_000 : undefined;
}
