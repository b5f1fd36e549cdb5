import { allows, type Caller } from "../access/caller.ts";
import { posternAudience } from "../access/postern-audience.ts";
import { PosternError } from "../errors.ts";
import type { PasswordHasher } from "../ports/password-hasher.ts";
import type { Session, SessionStore } from "../ports/session-store.ts";
import type { UserStore } from "../ports/user-store.ts";
import { identifierKey } from "../user/identifier.ts";
import { normalizePassword } from "../user/password-policy.ts";
import { type MintDeps, mintTokens, type TokenSet } from "./mint-tokens.ts";

export interface LoginDeps extends MintDeps {
  readonly users: Pick<UserStore, "readForLogin">;
  readonly sessions: Pick<SessionStore, "open">;
  readonly passwordHasher: Pick<PasswordHasher, "verify">;
  /** `aud` where neither the request nor the caller names one. */
  readonly defaultAudience: string | undefined;
}

export interface LoginInput {
  readonly caller: Caller;
  readonly identifier: string;
  readonly password: string;
  /** Absent: the caller's own name. */
  readonly clientId: string | undefined;
  readonly audience: readonly string[];
  readonly scope: readonly string[];
  readonly device: string;
  readonly clientAddress: string;
  readonly userAgent: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/** Keeps an access token below the 8 KiB that its readers take, whatever roles the user has. */
const maxAskedCharacters = 2_000;

/**
 * Checks a password and opens a session.
 *
 * The hash is read together with what else could end the login (password version, disabled, the revocation
 * log's number), and the session opens only where all of it still holds after the slow check: a password
 * change, a disable or a revocation in between wins.
 */
export async function login(
  deps: LoginDeps,
  input: LoginInput,
): Promise<{ tokens: TokenSet; session: Session }> {
  const asked = whatIsAsked(deps, input);
  const password = normalizePassword(input.password);
  const key = identifierKey(input.identifier);
  const user = key === undefined ? undefined : await deps.users.readForLogin(key);
  // Unknown, disabled or without a password: the same work, the same answer.
  const right = await deps.passwordHasher.verify(password, user?.passwordHash, input.signal);
  if (user === undefined || user.disabled || !right) throw new PosternError("INVALID_CREDENTIALS");

  const outcome = await deps.sessions.open({
    id: deps.newId(),
    userId: user.userId,
    passwordVersion: user.passwordVersion,
    rev: user.rev,
    caller: input.caller.name,
    ...asked,
    amr: ["pwd"],
    refreshKey: deps.keyRing.refreshKey.number,
    device: input.device,
    clientAddress: input.caller.trustedAddress ? input.clientAddress : "",
    userAgent: input.userAgent,
    requestId: input.requestId,
  });
  switch (outcome.kind) {
    case "opened":
      return { tokens: await mintTokens(deps, outcome.grant, asked), session: outcome.session };
    case "stale":
      throw new PosternError("INVALID_CREDENTIALS");
    case "revoked":
      throw new PosternError("CONFLICT", {
        message: "a revocation came while the user was logging in; log in again",
      });
  }
}

/** What the session shall be for, within what the caller may ask. */
function whatIsAsked(deps: LoginDeps, { caller, clientId, audience, scope }: LoginInput) {
  const client = clientId ?? caller.name;
  if (!allows(caller.clients, client)) {
    throw new PosternError("NOT_PERMITTED", { message: "`client_id` is not one of the caller's clients" });
  }
  const audiences = audience.length > 0 ? audience : defaultAudiences(deps, caller);
  if (audiences.length === 0) {
    throw new PosternError("INVALID_REQUEST", { message: "name an `audience`: there is no default one" });
  }
  const strange = audiences.find((one) => !allows(caller.audiences, one));
  if (strange !== undefined) {
    throw new PosternError("NOT_PERMITTED", {
      message: "`audience` holds one that the caller may not ask for",
    });
  }
  if (scope.some((one) => !allows(caller.scopes, one))) throw new PosternError("SCOPE_TOO_WIDE");
  if ([...audiences, ...scope].join(" ").length > maxAskedCharacters) {
    throw new PosternError("INVALID_REQUEST", {
      message: `\`audience\` and \`scope\` together are longer than ${maxAskedCharacters} characters`,
    });
  }
  return { clientId: client, audience: audiences, scope };
}

/** Postern's own audience lets its bearer call Postern, so it has to be asked for by name. */
function defaultAudiences({ issuer, defaultAudience }: LoginDeps, { audiences }: Caller): string[] {
  const own = [...audiences].filter((one) => one !== "*");
  const common = defaultAudience !== undefined && allows(audiences, defaultAudience) ? [defaultAudience] : [];
  return (own.length > 0 ? own : common).filter((one) => one !== posternAudience(issuer));
}
