import type { AccessTokenClaims } from "../../../../client/src/core/claims.ts";
import { type CheckDeps, checkAccessToken } from "../revocation/check-access-token.ts";
import type { RequestLine, Route, RouteTable } from "./proxy/route-table.ts";

export interface AuthorizeDeps extends CheckDeps {
  readonly routes: RouteTable;
}

export interface ProxiedRequest extends RequestLine {
  /** The values of all its `authorization` headers. */
  readonly authorization: readonly string[];
}

/** The verdict on a request. */
export type Verdict =
  /** It may pass, with a verified token or without one. */
  | { readonly kind: "pass"; readonly claims: AccessTokenClaims | undefined }
  /** It is refused with an HTTP status, and with a `www-authenticate` header if another credential would help. */
  | { readonly kind: "refuse"; readonly status: 400 | 401 | 403; readonly challenge: string | undefined };

const isBearer = /^bearer\b/i;
/** RFC 6750 section 2.1. No token contains a comma, so several headers that were joined into one are refused. */
const bearer = /^bearer +([\w.~+/-]+=*)$/i;

/**
 * Decides whether a proxied request may pass. A request that matches no route is refused.
 * @throws AuthError `UNAVAILABLE` if the verdict is unknown
 */
export async function authorizeRequest(deps: AuthorizeDeps, request: ProxiedRequest): Promise<Verdict> {
  const route = deps.routes.match(request);
  if (route === undefined) return { kind: "refuse", status: 403, challenge: undefined };
  const [authorization, ...more] = request.authorization;
  if (route.auth === "public" || (route.auth === "optional" && authorization === undefined)) {
    return { kind: "pass", claims: undefined };
  }
  // The upstream may read another header than Postern does.
  if (more.length > 0) return refuse(400, "invalid_request");
  if (authorization === undefined || !isBearer.test(authorization)) return refuse(401);
  const token = bearer.exec(authorization)?.[1];
  const claims = token === undefined ? undefined : await checkAccessToken(deps, token);
  if (claims === undefined || !claims.aud.some((one) => route.audiences.includes(one))) {
    return refuse(401, "invalid_token");
  }
  return holdsScopes(claims, route)
    ? { kind: "pass", claims }
    : refuse(403, "insufficient_scope", route.scopes);
}

function holdsScopes(claims: AccessTokenClaims, route: Route): boolean {
  const held = claims.scope.split(" ");
  return route.scopes.every((scope) => held.includes(scope));
}

/** RFC 6750 section 3; without an error if the request had no token, or another scheme (section 3.1). */
function refuse(status: 400 | 401 | 403, error?: string, scopes: readonly string[] = []): Verdict {
  const parameters = [
    'realm="postern"',
    ...(error === undefined ? [] : [`error="${error}"`]),
    ...(scopes.length === 0 ? [] : [`scope="${scopes.join(" ")}"`]),
  ];
  return { kind: "refuse", status, challenge: `Bearer ${parameters.join(", ")}` };
}
