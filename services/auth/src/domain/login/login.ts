import { firstCharacters } from "../../lib/first-characters.ts";
import { canonicalAddress } from "../../lib/ip-address.ts";
import type { RefusalReason } from "../audit/audit-events.ts";
import type { RefusedLogins } from "../audit/refused-logins.ts";
import { allows, type Caller } from "../caller/caller.ts";
import { posternAudience } from "../caller/postern-audience.ts";
import { PosternError } from "../errors.ts";
import type { PasswordHasher } from "../ports/password-hasher.ts";
import type { RevocationNotifier } from "../ports/revocation-log.ts";
import type { Session, SessionStore } from "../ports/session-store.ts";
import type { LoginSnapshot, UserKey, UserStore } from "../ports/user-store.ts";
import { type Device, isDeviceExpired, mintDeviceToken } from "../token/device-token.ts";
import { type MintDeps, mintTokens, type TokenSet } from "../token/mint-tokens.ts";
import { identifierKey } from "../user/identifier.ts";
import { normalizePassword } from "../user/password-policy.ts";
import { addressKey } from "./address-key.ts";
import { knownDevice } from "./known-device.ts";
import { type LoginAttempt, type LoginBudgets, LoginLimitError } from "./login-budgets.ts";

export interface LoginDeps extends MintDeps {
  readonly users: Pick<UserStore, "readForLogin">;
  readonly sessions: Pick<SessionStore, "open">;
  readonly knownRevocations: RevocationNotifier;
  readonly passwordHasher: Pick<PasswordHasher, "verify" | "keepPlace">;
  readonly loginBudgets: LoginBudgets;
  readonly refusedLogins: Pick<RefusedLogins, "note" | "count">;
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
  /** A label; truncated to 128 characters. */
  readonly device: string;
  /** What an earlier login has answered; empty: none. */
  readonly deviceToken: string;
  /** In any spelling; empty if there is none. */
  readonly clientAddress: string;
  /** A label; truncated to 512 characters. */
  readonly userAgent: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/** Keeps an access token below the 8 KiB that its readers take, whatever roles the user has. */
const maxAskedCharacters = 2_000;

/** Labels are for display only. A longer one is truncated and does not fail the login. */
const maxDeviceCharacters = 128;
const maxUserAgentCharacters = 512;

/** What a login has come to. */
export interface LoginResult {
  readonly tokens: TokenSet;
  readonly session: Session;
  /** Tells this device from strangers at its next login. */
  readonly deviceToken: string;
}

/**
 * Checks a password and opens a session.
 *
 * The hash is read together with what else could end the login (password version, disabled, the revocation
 * log's number), and the session opens only where all of it still holds after the slow check: a password
 * change, a disable or a revocation in between wins. Opened or refused, the audit has it before the answer.
 */
export async function login(deps: LoginDeps, input: LoginInput): Promise<LoginResult> {
  const asked = whatIsAsked(deps, input);
  const key = identifierKey(input.identifier);
  const address = input.caller.trustedAddress ? addressKey(input.clientAddress) : undefined;
  const user = await readUser(deps, key, address);
  const device = deviceOf(await knownDevice(deps, input.deviceToken), user);
  const attempt = { account: accountOf(key, input.identifier), address, knownBy: knownBy(user, device) };
  const clientAddress = input.caller.trustedAddress ? (canonicalAddress(input.clientAddress) ?? "") : "";
  const attempted = {
    ...{ caller: input.caller.name, requestId: input.requestId, clientId: asked.clientId },
    ...{ userId: user?.userId, account: attempt.account, clientAddress: clientAddress || undefined },
  };
  const right = await isRight(deps, input, user, attempt).catch((error: unknown) => {
    if (error instanceof LoginLimitError) deps.refusedLogins.count(attempted, error.budget);
    throw error;
  });
  if (user === undefined || !right) {
    await deps.refusedLogins.note(attempted, whyRefused(user));
    throw new PosternError("INVALID_CREDENTIALS");
  }

  // A key that was tainted since must not be the session's.
  await deps.keyRing.follow(user.keysVersion);
  const outcome = await deps.sessions.open({
    id: deps.newId(),
    userId: user.userId,
    passwordVersion: user.passwordVersion,
    rev: user.rev,
    caller: input.caller.name,
    ...asked,
    amr: ["pwd"],
    refreshKey: deps.keyRing.refreshKey.number,
    device: firstCharacters(input.device, maxDeviceCharacters),
    clientAddress,
    addressKey: address,
    userAgent: firstCharacters(input.userAgent, maxUserAgentCharacters),
    requestId: input.requestId,
  });
  switch (outcome.kind) {
    case "opened": {
      // The new session may have ended the user's oldest one.
      deps.knownRevocations.notice();
      const tokens = await mintTokens(deps, outcome.grant, asked);
      const deviceToken = mintDeviceToken(deps.keyRing.refreshKey, {
        userId: user.userId,
        deviceId: device?.deviceId ?? deps.newId(),
        passwordVersion: user.passwordVersion,
        issuedAt: Math.floor(outcome.grant.now.getTime() / 1000),
      });
      return { tokens, session: outcome.session, deviceToken };
    }
    case "stale":
      throw new PosternError("INVALID_CREDENTIALS");
    case "revoked":
      throw new PosternError("CONFLICT", {
        message: "a revocation came while the user was logging in; log in again",
      });
  }
}

/** The place is given back before the budgets: whoever makes others wait there must not keep them out here. */
async function readUser(
  deps: LoginDeps,
  key: UserKey | undefined,
  address: string | undefined,
): Promise<LoginSnapshot | undefined> {
  using _ = deps.passwordHasher.keepPlace();
  return key === undefined ? undefined : await deps.users.readForLogin(key, address);
}

/**
 * Checks the password within the budgets of failed logins. Unknown, disabled, without a password: the same work, the
 * same budgets, the same answer.
 */
async function isRight(
  deps: LoginDeps,
  { password, signal }: LoginInput,
  user: LoginSnapshot | undefined,
  attempt: LoginAttempt,
): Promise<boolean> {
  const admission = await deps.loginBudgets.admit(attempt, signal);
  let failed = false;
  try {
    const fits = await deps.passwordHasher.verify(normalizePassword(password), user?.passwordHash, signal);
    failed = !fits || user === undefined || user.disabled;
    return !failed;
  } finally {
    await admission.settle(failed);
  }
}

function whyRefused(user: LoginSnapshot | undefined): RefusalReason {
  if (user === undefined) return "unknown_user";
  if (user.disabled) return "disabled";
  return user.passwordHash === undefined ? "no_password" : "wrong_password";
}

/** What is counted as one account: what was typed, folded. */
function accountOf(key: UserKey | undefined, identifier: string): string {
  return key === undefined ? `text ${identifier}` : JSON.stringify(key);
}

/** The device that has logged this user in before. */
function deviceOf(device: Device | undefined, user: LoginSnapshot | undefined): Device | undefined {
  if (device === undefined || user === undefined || device.userId !== user.userId) return undefined;
  return isDeviceExpired(device, user.now) ? undefined : device;
}

function knownBy(user: LoginSnapshot | undefined, device: Device | undefined): LoginAttempt["knownBy"] {
  if (user === undefined) return undefined;
  const { userId, passwordVersion, knowsAddress } = user;
  if (device?.passwordVersion === passwordVersion % 2 ** 32) {
    return { kind: "device", userId, deviceId: device.deviceId };
  }
  if (knowsAddress) return { kind: "address" };
  // Whoever once had the password may have made any number of devices: after its change they share one budget.
  return device === undefined ? undefined : { kind: "device", userId, deviceId: "outdated" };
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
