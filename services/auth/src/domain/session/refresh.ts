import { allows, type Caller } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { RevocationNotifier } from "../ports/revocation-log.ts";
import type { SessionStore } from "../ports/session-store.ts";
import { type MintDeps, mintTokens, type TokenSet } from "../token/mint-tokens.ts";
import { openRefreshToken } from "../token/open-refresh-token.ts";

export interface RefreshDeps extends MintDeps {
  readonly sessions: Pick<SessionStore, "rotate">;
  readonly knownRevocations: RevocationNotifier;
}

export interface RefreshInput {
  readonly caller: Caller;
  readonly refreshToken: string;
  /** Empty: the scope of the session. */
  readonly scope: readonly string[];
  readonly clientId: string | undefined;
  /** The same for every attempt of one refresh. */
  readonly clientRequestId: string | undefined;
  readonly requestId: string;
}

/**
 * Exchanges a refresh token for new tokens (RFC 6749 section 6). A token that was used before, longer ago than the grace,
 * ends its session (RFC 9700 section 4.14.2).
 */
export async function refresh(deps: RefreshDeps, input: RefreshInput): Promise<TokenSet> {
  const token = await openRefreshToken(deps, input.refreshToken);
  if (token === undefined) throw new AuthError("INVALID_REFRESH_TOKEN");
  const outcome = await deps.sessions.rotate({
    sessionId: token.sessionId,
    refreshKey: token.keyNumber,
    generation: token.generation,
    caller: input.caller.name,
    clientId: input.clientId,
    scope: input.scope.length > 0 ? input.scope : undefined,
    clientRequestId: input.clientRequestId,
    requestId: input.requestId,
  });
  switch (outcome.kind) {
    case "granted": {
      const { grant } = outcome;
      const scope = input.scope.length > 0 ? input.scope : grant.scope;
      // Scopes and audiences that the caller may no longer request are left out.
      return mintTokens(deps, grant, {
        scope: scope.filter((one) => allows(input.caller.scopes, one)),
        audience: stillAllowed(input.caller, grant.audience),
      });
    }
    case "unknown":
    case "foreign":
      throw new AuthError("INVALID_REFRESH_TOKEN");
    case "ended":
      throw new AuthError("SESSION_ENDED");
    case "reused":
      deps.knownRevocations.notice();
      throw new AuthError("REFRESH_TOKEN_REUSED");
    case "scope_too_wide":
      throw new AuthError("SCOPE_TOO_WIDE");
  }
}

function stillAllowed(caller: Caller, audience: readonly string[]): string[] {
  const left = audience.filter((one) => allows(caller.audiences, one));
  if (left.length === 0) {
    throw new AuthError("NOT_PERMITTED", {
      message: "the caller may request none of the session's audiences",
    });
  }
  return left;
}
