import type { AccessTokenClaims } from "../../../../client/src/core/claims.ts";
import { formatId } from "../../lib/type-id.ts";
import { AuthError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { NewId } from "../ports/ids.ts";
import type { SigningKey } from "../ports/key-material.ts";
import type { SessionGrant, SessionPolicy } from "../ports/session-store.ts";
import { mintRefreshToken } from "./refresh-token.ts";

/** The tokens that a login or a refresh returns (RFC 6749 section 5.1). */
export interface TokenSet {
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly refreshToken: string;
  /** Seconds. */
  readonly refreshExpiresIn: number;
  readonly scope: readonly string[];
}

export interface MintDeps {
  readonly keyRing: KeyRing;
  readonly issuer: string;
  readonly policy: Pick<SessionPolicy, "accessTtlMs">;
  readonly newId: NewId;
}

/** Time from `nbf` to `iat`, in seconds. Some verifiers allow no clock skew, and their clock may be behind ours. */
const notBeforeLeadSeconds = 5;

/**
 * Makes an access token and the session's current refresh token. The refresh token depends on the session's state only, so
 * every call on every replica returns the same one.
 * @throws AuthError `SESSION_ENDED` if the session ends in less than a second; `UNAVAILABLE` if the keys have changed and
 * cannot be loaded
 */
export async function mintTokens(
  deps: MintDeps,
  grant: SessionGrant,
  { scope, audience }: { readonly scope: readonly string[]; readonly audience: readonly string[] },
): Promise<TokenSet> {
  await deps.keyRing.follow(grant.keysVersion);
  const nowMs = grant.now.getTime();
  const endsAtMs = grant.endsAt.getTime();
  const issuedAt = Math.floor(nowMs / 1000);
  const expiresAt = Math.floor(Math.min(nowMs + deps.policy.accessTtlMs, endsAtMs) / 1000);
  if (expiresAt <= issuedAt) throw new AuthError("SESSION_ENDED");
  const refreshKey = await deps.keyRing.findRefreshKey(grant.refreshKey);
  if (refreshKey === undefined) throw new AuthError("SESSION_ENDED");

  const accessToken = sign(deps.keyRing.signingKey, {
    iss: deps.issuer,
    sub: formatId("usr", grant.userId),
    aud: audience,
    exp: expiresAt,
    iat: issuedAt,
    nbf: issuedAt - notBeforeLeadSeconds,
    jti: formatId("tok", deps.newId()),
    sid: formatId("ses", grant.sessionId),
    client_id: grant.clientId,
    scope: scope.join(" "),
    amr: grant.amr,
    auth_time: Math.floor(grant.authTime.getTime() / 1000),
    ...(grant.roles.length > 0 ? { roles: grant.roles } : {}),
    rev: grant.rev,
  });
  return {
    accessToken,
    expiresIn: expiresAt - issuedAt,
    refreshToken: mintRefreshToken(refreshKey, grant),
    refreshExpiresIn: Math.floor((endsAtMs - nowMs) / 1000),
    scope,
  };
}

function sign(key: SigningKey, claims: AccessTokenClaims): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const input = `${part({ alg: key.alg, typ: "at+jwt", kid: key.kid })}.${part(claims)}`;
  return `${input}.${Buffer.from(key.sign(Buffer.from(input))).toString("base64url")}`;
}
