import type { AccessTokenClaims } from "../../../../client/src/core/claims.ts";
import { formatId, parseId } from "../../lib/type-id.ts";
import { allows, type Caller, permits } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { UserId } from "../ports/ids.ts";
import type { SessionGrant, SessionStore } from "../ports/session-store.ts";
import { classify } from "../token/classify.ts";
import { openRefreshToken } from "../token/open-refresh-token.ts";
import { type CheckDeps, checkAccessToken } from "./check-access-token.ts";

export interface IntrospectDeps extends CheckDeps {
  readonly sessions: Pick<SessionStore, "readRefreshToken">;
  /** A user's name, which is shown and decides nothing. Undefined if there is no such user. */
  readonly nameOf: (userId: UserId) => Promise<string | undefined>;
  /** How long Introspect may answer from memory while the database is unavailable. 0: never. */
  readonly introspectStalenessMs: number;
}

export interface IntrospectInput {
  readonly caller: Caller;
  readonly token: string;
  /** Must be among the token's audiences. Undefined: any audience will do. */
  readonly audience: string | undefined;
}

/** The answer for an active token (RFC 7662 section 2.2). Times are seconds since the epoch. */
export interface ActiveToken {
  readonly tokenType: "Bearer" | "refresh_token";
  readonly subject: string;
  readonly sessionId: string;
  readonly clientId: string;
  readonly username: string;
  readonly audience: readonly string[];
  readonly scope: readonly string[];
  readonly roles: readonly string[];
  readonly issuer: string;
  readonly tokenId: string | undefined;
  readonly issuedAt: number | undefined;
  readonly expiresAt: number;
  readonly notBefore: number | undefined;
  readonly authTime: number;
  readonly amr: readonly string[];
}

/**
 * Whether a token is active now.
 * @returns undefined if the token is not active; the reason is not reported
 * @throws AuthError `UNAVAILABLE` if the token cannot be checked: a fault never counts as an answer
 */
export async function introspect(
  deps: IntrospectDeps,
  input: IntrospectInput,
): Promise<ActiveToken | undefined> {
  const active = await activeToken(deps, input);
  if (active === undefined || (input.audience !== undefined && !active.audience.includes(input.audience))) {
    return undefined;
  }
  return active;
}

async function activeToken(deps: IntrospectDeps, input: IntrospectInput): Promise<ActiveToken | undefined> {
  switch (classify(input.token)) {
    case "access":
      return accessToken(deps, input);
    case "refresh":
      return refreshToken(deps, input);
    default:
      return undefined;
  }
}

async function accessToken(deps: IntrospectDeps, { caller, token }: IntrospectInput) {
  const claims = await checkAccessToken(deps, token);
  if (claims === undefined) return undefined;
  const isForCaller =
    permits(caller, "introspect:any") || claims.aud.some((one) => allows(caller.audiences, one));
  return isForCaller ? describeClaims(claims, await username(deps, claims.sub)) : undefined;
}

async function refreshToken(deps: IntrospectDeps, { caller, token }: IntrospectInput) {
  const parsed = await openRefreshToken(deps, token);
  if (parsed === undefined) return undefined;
  const state = await deps.sessions.readRefreshToken({ ...parsed, refreshKey: parsed.keyNumber });
  if (state.kind === "dead" || state.caller !== caller.name) return undefined;
  // The key may have been tainted or removed since it was looked up.
  await deps.keyRing.follow(state.grant.keysVersion);
  if ((await deps.keyRing.findRefreshKey(parsed.keyNumber)) === undefined) return undefined;
  return describeGrant(deps.issuer, state.grant, await username(deps, formatId("usr", state.grant.userId)));
}

/** The name decides nothing: the database may have lost the user in a restore. */
async function username(deps: IntrospectDeps, subject: string): Promise<string> {
  const id = parseId("usr", subject);
  try {
    return (id === undefined ? undefined : await deps.nameOf(id)) ?? "";
  } catch (error) {
    // A token that was checked from memory is not refused because its name is missing.
    const isLost = error instanceof AuthError && error.reason === "UNAVAILABLE";
    if (isLost && deps.introspectStalenessMs > 0) return "";
    throw error;
  }
}

function describeClaims(claims: AccessTokenClaims, name: string): ActiveToken {
  return {
    tokenType: "Bearer",
    subject: claims.sub,
    sessionId: claims.sid,
    clientId: claims.client_id,
    username: name,
    audience: claims.aud,
    scope: claims.scope === "" ? [] : claims.scope.split(" "),
    roles: claims.roles ?? [],
    issuer: claims.iss,
    tokenId: claims.jti,
    issuedAt: claims.iat,
    expiresAt: claims.exp,
    notBefore: claims.nbf,
    authTime: claims.auth_time,
    amr: claims.amr,
  };
}

function describeGrant(issuer: string, grant: SessionGrant, name: string): ActiveToken {
  return {
    tokenType: "refresh_token",
    subject: formatId("usr", grant.userId),
    sessionId: formatId("ses", grant.sessionId),
    clientId: grant.clientId,
    username: name,
    audience: grant.audience,
    scope: grant.scope,
    roles: grant.roles,
    issuer,
    tokenId: undefined,
    issuedAt: undefined,
    expiresAt: Math.floor(grant.endsAt.getTime() / 1000),
    notBefore: undefined,
    authTime: Math.floor(grant.authTime.getTime() / 1000),
    amr: grant.amr,
  };
}
