import type { AccessTokenClaims } from "@postern/client/core/claims.ts";
import { formatId, parseId } from "../../lib/type-id.ts";
import { allows, type Caller, permits } from "../caller/caller.ts";
import { PosternError } from "../errors.ts";
import type { Uuid } from "../ports/ids.ts";
import type { SessionGrant, SessionStore } from "../ports/session-store.ts";
import { isOpaque } from "../token/opaque-token.ts";
import { openRefreshToken } from "../token/open-refresh-token.ts";
import { type CheckDeps, checkAccessToken } from "./check-access-token.ts";

export interface IntrospectDeps extends CheckDeps {
  readonly sessions: Pick<SessionStore, "readRefreshToken">;
  /** What a user is called; shown, not decided on. Undefined for one who is not there. */
  readonly nameOf: (userId: Uuid) => Promise<string | undefined>;
  /** Above 0: with the database lost, it answers for so long from what it last knew. */
  readonly introspectStalenessMs: number;
}

export interface IntrospectInput {
  readonly caller: Caller;
  readonly token: string;
  /** A further demand. */
  readonly audience: string | undefined;
}

/** What is said of an active token (RFC 7662 section 2.2). Times are seconds since the epoch. */
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
 * Says whether a token is active now; undefined: it is not, for whatever reason.
 * @throws PosternError `UNAVAILABLE` when that cannot be known: a fault is never a verdict
 */
export async function introspect(
  deps: IntrospectDeps,
  input: IntrospectInput,
): Promise<ActiveToken | undefined> {
  const active = isOpaque(input.token) ? await refreshToken(deps, input) : await accessToken(deps, input);
  if (active === undefined || (input.audience !== undefined && !active.audience.includes(input.audience))) {
    return undefined;
  }
  return active;
}

async function accessToken(deps: IntrospectDeps, { caller, token }: IntrospectInput) {
  const claims = await checkAccessToken(deps, token);
  if (claims === undefined) return undefined;
  const meant = permits(caller, "introspect:any") || claims.aud.some((one) => allows(caller.audiences, one));
  return meant ? describeClaims(claims, await username(deps, claims.sub)) : undefined;
}

async function refreshToken(deps: IntrospectDeps, { caller, token }: IntrospectInput) {
  const parsed = await openRefreshToken(deps, token);
  if (parsed === undefined) return undefined;
  const state = await deps.sessions.readRefreshToken({ ...parsed, refreshKey: parsed.keyNumber });
  if (state.kind === "dead" || state.caller !== caller.name) return undefined;
  // The key may have been removed since it was looked up.
  await deps.keyRing.follow(state.grant.keysVersion);
  if ((await deps.keyRing.findRefreshKey(parsed.keyNumber)) === undefined) return undefined;
  return describeGrant(deps.issuer, state.grant, await username(deps, formatId("usr", state.grant.userId)));
}

/** Shown, not decided on: the user may have been removed from another history of the database. */
async function username(deps: IntrospectDeps, subject: string): Promise<string> {
  const id = parseId("usr", subject);
  try {
    return (id === undefined ? undefined : await deps.nameOf(id)) ?? "";
  } catch (error) {
    // A token judged from memory is not refused for want of a name.
    const isLost = error instanceof PosternError && error.reason === "UNAVAILABLE";
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
