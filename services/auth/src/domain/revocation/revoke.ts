import { parseId } from "../../lib/type-id.ts";
import { type Caller, demand, ownClients, permits } from "../caller/caller.ts";
import { PosternError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { Actor } from "../ports/actor.ts";
import type { Uuid } from "../ports/ids.ts";
import type { RevocationLog, RevocationNotifier, RevokeOutcome } from "../ports/revocation-log.ts";
import { openAccessToken } from "../token/open-access-token.ts";
import { openRefreshToken } from "../token/open-refresh-token.ts";

export interface RevokeDeps {
  readonly keyRing: Pick<KeyRing, "findSigningKey" | "findRefreshKey">;
  readonly revocations: RevocationLog;
  readonly knownRevocations: RevocationNotifier;
}

export type RevokeTarget =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "session"; readonly sessionId: Uuid }
  | { readonly kind: "user"; readonly userId: Uuid }
  | { readonly kind: "client"; readonly clientId: string }
  | { readonly kind: "everything" };

export interface RevokeInput {
  readonly caller: Caller;
  readonly target: RevokeTarget;
  readonly requestId: string;
}

export interface Revoked {
  /** `already`: there was nothing to end: unknown, over, or revoked before. */
  readonly outcome: "revoked" | "already";
  /** The number in the revocation log from which on it holds. */
  readonly seq: number;
}

/**
 * Ends tokens and sessions; idempotent. An unknown, expired or malformed token is revoked already (RFC 7009
 * section 2.2).
 *
 * @throws {PosternError} `NOT_PERMITTED`
 */
export async function revoke(deps: RevokeDeps, input: RevokeInput): Promise<Revoked> {
  const revoked = await revokeTarget(deps, input);
  // Also after `already`: the answer to an earlier try may have been lost, and its entry not read yet.
  deps.knownRevocations.notice();
  return revoked;
}

async function revokeTarget(deps: RevokeDeps, input: RevokeInput): Promise<Revoked> {
  const { caller, target } = input;
  const log = deps.revocations;
  const actor: Actor = { caller: caller.name, requestId: input.requestId };
  const any = permits(caller, "revoke:any");
  switch (target.kind) {
    case "token":
      return revokeToken(deps, bareToken(target.token), actor);
    case "session":
      return settled(await log.revokeSession(target.sessionId, any ? undefined : ownClients(caller), actor));
    case "user":
      demand(caller, "revoke:any");
      return settled(await log.revokeUser(target.userId, actor));
    case "client":
      demand(caller, "revoke:any");
      return settled(await log.revokeClient(target.clientId, actor));
    case "everything":
      demand(caller, "revoke:any");
      return settled(await log.revokeEverything(actor));
  }
}

/** Removes white space and the scheme of a header: a token pasted with these must not stay active. */
function bareToken(pasted: string): string {
  return pasted.trim().replace(/^bearer\s+/i, "");
}

/** Holding a token is right enough to end it. Only tokens that we made enter the log. */
async function revokeToken(deps: RevokeDeps, token: string, actor: Actor): Promise<Revoked> {
  const refreshToken = await openRefreshToken(deps, token);
  if (refreshToken !== undefined) {
    return settled(await deps.revocations.revokeSession(refreshToken.sessionId, undefined, actor));
  }
  const accessToken = await openAccessToken(deps, token);
  const tokenId = accessToken === undefined ? undefined : parseId("tok", accessToken.claims.jti);
  if (accessToken === undefined || tokenId === undefined) {
    return { outcome: "already", seq: await deps.revocations.readSeq() };
  }
  const { exp, sub, sid, client_id: clientId } = accessToken.claims;
  const whose = { userId: parseId("usr", sub), sessionId: parseId("ses", sid), clientId };
  return settled(await deps.revocations.revokeToken(tokenId, new Date(exp * 1000), actor, whose));
}

function settled(outcome: RevokeOutcome): Revoked {
  if (outcome.kind === "foreign") {
    throw new PosternError("NOT_PERMITTED", {
      message: "the session is of another caller's client; that needs the permission `revoke:any`",
    });
  }
  return { outcome: outcome.kind, seq: outcome.seq };
}
