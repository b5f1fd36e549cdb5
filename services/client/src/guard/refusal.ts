import { type ErrorCode, PosternError } from "../core/postern-error.ts";
import { ScopeError } from "./demands.ts";

/** The HTTP answer to a refused request. */
export interface Refusal {
  readonly status: 401 | 403 | 503;
  /** Header names are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** For the body, as JSON. It contains no part of the token. */
  readonly body: { readonly code: ErrorCode; readonly message: string };
}

type Kind = "no_credential" | "invalid_token" | "insufficient_scope" | "unavailable" | "not_of_the_request";

/** A `Record` over every code: a code without an answer does not compile. */
const kinds: Readonly<Record<ErrorCode, Kind>> = {
  ERR_CREDENTIAL_MISSING: "no_credential",
  ERR_TOKEN_MALFORMED: "invalid_token",
  ERR_TOKEN_INVALID: "invalid_token",
  ERR_TOKEN_EXPIRED: "invalid_token",
  ERR_TOKEN_REVOKED: "invalid_token",
  ERR_KEY_UNKNOWN: "invalid_token",
  ERR_SCOPE_INSUFFICIENT: "insufficient_scope",
  ERR_FEED_STALE: "unavailable",
  ERR_UNAVAILABLE: "unavailable",
  ERR_SESSION_ENDED: "not_of_the_request",
  ERR_LOGIN_REFUSED: "not_of_the_request",
};

const retryAfterSeconds = "1";

/**
 * Returns the HTTP answer for an error of {@link authenticateRequest} or {@link demandScope} (RFC 6750 section 3).
 *
 * @returns `undefined` if the error does not concern the request: it is the server's own fault
 * @example
 * ```ts
 * import { refusalOf } from "@postern/client";
 *
 * export function toResponse(error: unknown): Response {
 *   const refusal = refusalOf(error);
 *   if (refusal === undefined) throw error;
 *   return Response.json(refusal.body, { status: refusal.status, headers: refusal.headers });
 * }
 * ```
 */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof PosternError)) return undefined;
  const body = { code: error.code, message: error.message };
  const challenged = (status: 401 | 403, challenge: string) => ({
    status,
    headers: { "www-authenticate": `Bearer ${challenge}` },
    body,
  });
  switch (kinds[error.code]) {
    // A challenge has at least one parameter, and no error code if the request had no credential (section 3.1).
    case "no_credential":
      return challenged(401, 'realm="postern"');
    case "invalid_token":
      return challenged(401, 'error="invalid_token"');
    case "insufficient_scope": {
      const scope = error instanceof ScopeError ? `, scope="${error.scope.join(" ")}"` : "";
      return challenged(403, `error="insufficient_scope"${scope}`);
    }
    case "unavailable":
      return { status: 503, headers: { "retry-after": retryAfterSeconds }, body };
    case "not_of_the_request":
      return undefined;
  }
}
