import type { AccessTokenClaims } from "@postern/client/core/claims.ts";
import { type CheckDeps, checkAccessToken } from "../revocation/check-access-token.ts";
import type { RequestLine, Route, RouteTable } from "./proxy/route-table.ts";

export interface AuthorizeDeps extends CheckDeps {
  readonly routes: RouteTable;
}

export interface ProxiedRequest extends RequestLine {
  /** The values of all its `authorization` headers. */
  readonly authorization: readonly string[];
}

/** What becomes of a request. */
export type Verdict =
  /** It passes; with a token that was verified, or without any. */
  | { readonly kind: "pass"; readonly claims: AccessTokenClaims | undefined }
  /** It is answered with an HTTP status, and a `www-authenticate` where another credential would help. */
  | { readonly kind: "refuse"; readonly status: 400 | 401 | 403; readonly challenge: string | undefined };

const isBearer = /^bearer\b/i;
/** RFC 6750 section 2.1. A comma is in no token: several headers joined into one are none. */
const bearer = /^bearer +([\w.~+/-]+=*)$/i;

/**
 * Whether a request that a proxy holds may pass. What no route names may not.
 * @throws PosternError `UNAVAILABLE` when that cannot be known
 */
export async function authorizeRequest(deps: AuthorizeDeps, request: ProxiedRequest): Promise<Verdict> {
  const route = deps.routes.match(request);
  if (route === undefined) return { kind: "refuse", status: 403, challenge: undefined };
  const [authorization, ...more] = request.authorization;
  if (route.auth === "public" || (route.auth === "optional" && authorization === undefined)) {
    return { kind: "pass", claims: undefined };
  }
  // The upstream may take another one than we do.
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

/** RFC 6750 section 3; without an error where no token was shown, nor a scheme that is ours (section 3.1). */
function refuse(status: 400 | 401 | 403, error?: string, scopes: readonly string[] = []): Verdict {
  const parameters = [
    'realm="postern"',
    ...(error === undefined ? [] : [`error="${error}"`]),
    ...(scopes.length === 0 ? [] : [`scope="${scopes.join(" ")}"`]),
  ];
  return { kind: "refuse", status, challenge: `Bearer ${parameters.join(", ")}` };
}
