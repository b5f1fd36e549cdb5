import { parseId } from "../../lib/type-id.ts";
import { type Caller, demand, ownClients, permits } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { Actor } from "../ports/actor.ts";
import type { SessionId, UserId } from "../ports/ids.ts";
import type { RevocationLog, RevocationNotifier, RevokeOutcome } from "../ports/revocation-log.ts";
import { classify } from "../token/classify.ts";
import { openAccessToken } from "../token/open-access-token.ts";
import { openRefreshToken } from "../token/open-refresh-token.ts";

export interface RevokeDeps {
  readonly keyRing: Pick<KeyRing, "findSigningKey" | "findRefreshKey">;
  readonly revocations: RevocationLog;
  readonly knownRevocations: RevocationNotifier;
}

export type RevokeTarget =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "session"; readonly sessionId: SessionId }
  | { readonly kind: "user"; readonly userId: UserId }
  | { readonly kind: "client"; readonly clientId: string }
  | { readonly kind: "everything" };

export interface RevokeInput {
  readonly caller: Caller;
  readonly target: RevokeTarget;
  readonly requestId: string;
}

export interface Revoked {
  /** `already`: the target is unknown, has ended, or was revoked before. */
  readonly outcome: "revoked" | "already";
  /** The number in the revocation log from which on the revocation holds. */
  readonly seq: number;
}

/**
 * Ends tokens and sessions. Idempotent. The outcome for an unknown, expired or malformed token is `already` (RFC 7009
 * section 2.2).
 *
 * @throws {AuthError} `NOT_PERMITTED`
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

/** Removes white space and the scheme of a header: a token that was pasted with them must not stay active. */
function bareToken(pasted: string): string {
  return pasted.trim().replace(/^bearer\s+/i, "");
}

/** Every holder of a token may end it. Only tokens that Postern's keys have made enter the log. */
async function revokeToken(deps: RevokeDeps, token: string, actor: Actor): Promise<Revoked> {
  const outcome = await revokePresented(deps, token, actor);
  return outcome === undefined
    ? { outcome: "already", seq: await deps.revocations.readSeq() }
    : settled(outcome);
}

/** @returns undefined if the token is not valid */
async function revokePresented(
  deps: RevokeDeps,
  token: string,
  actor: Actor,
): Promise<RevokeOutcome | undefined> {
  switch (classify(token)) {
    case "refresh": {
      const opened = await openRefreshToken(deps, token);
      return opened && deps.revocations.revokeSession(opened.sessionId, undefined, actor);
    }
    case "access": {
      const opened = await openAccessToken(deps, token);
      if (opened === undefined) return undefined;
      const { jti, exp, sub, sid, client_id: clientId } = opened.claims;
      const tokenId = parseId("tok", jti);
      if (tokenId === undefined) return undefined;
      const owner = { userId: parseId("usr", sub), sessionId: parseId("ses", sid), clientId };
      return deps.revocations.revokeToken(tokenId, new Date(exp * 1000), actor, owner);
    }
    default:
      return undefined;
  }
}

function settled(outcome: RevokeOutcome): Revoked {
  if (outcome.kind === "foreign") {
    throw new AuthError("NOT_PERMITTED", {
      message: "the session is of another caller's client; that needs the permission `revoke:any`",
    });
  }
  return { outcome: outcome.kind, seq: outcome.seq };
}
