import { firstCharacters } from "../../lib/first-characters.ts";
import { canonicalAddress } from "../../lib/ip-address.ts";
import type { RefusalReason } from "../audit/audit-events.ts";
import type { FailedLogin, FailedLogins } from "../audit/failed-logins.ts";
import type { Caller } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { PasswordHasher } from "../ports/password-hasher.ts";
import type { RevocationNotifier } from "../ports/revocation-log.ts";
import type { OpenOutcome, Session, SessionStore } from "../ports/session-store.ts";
import type { LoginSnapshot, UserKey, UserStore } from "../ports/user-store.ts";
import { type Device, mintDeviceToken } from "../token/device-token.ts";
import { type MintDeps, mintTokens, type TokenSet } from "../token/mint-tokens.ts";
import { identifierKey } from "../user/identifier.ts";
import { normalizePassword } from "../user/password-policy.ts";
import { addressKey } from "./address-key.ts";
import { findDevice, knownBy } from "./known-device.ts";
import { type LoginAttempt, type LoginBudgets, LoginLimitError } from "./login-budgets.ts";
import { type GrantDeps, type RequestedGrant, resolveRequestedGrant } from "./requested-grant.ts";

export interface LoginDeps extends MintDeps, GrantDeps {
  readonly users: Pick<UserStore, "readForLogin">;
  readonly sessions: Pick<SessionStore, "open">;
  readonly knownRevocations: RevocationNotifier;
  readonly passwordHasher: Pick<PasswordHasher, "verify" | "reserveSlot">;
  readonly loginBudgets: LoginBudgets;
  readonly failedLogins: Pick<FailedLogins, "record" | "count">;
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
  /** The device token of an earlier login; empty if there is none. */
  readonly deviceToken: string;
  /** In any spelling; empty if there is none. */
  readonly clientAddress: string;
  /** A label; truncated to 512 characters. */
  readonly userAgent: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/** Labels are for display only. A longer one is truncated and does not fail the login. */
const maxDeviceCharacters = 128;
const maxUserAgentCharacters = 512;

export interface LoginResult {
  readonly tokens: TokenSet;
  readonly session: Session;
  /** Identifies this device at its next login. */
  readonly deviceToken: string;
}

/**
 * Checks a password and opens a session.
 *
 * One snapshot has the hash and everything else that can end the login (password version, `disabled`, the revocation log's
 * number). The session opens only if all of it is still current after the slow check, so a change of the password, a disable
 * or a revocation in between wins. The audit has the outcome before the answer.
 *
 * @throws {AuthError} `INVALID_CREDENTIALS`, `RATE_LIMITED`, `OVERLOADED`, `CONFLICT`, `UNAVAILABLE`, and the reasons of
 * `resolveRequestedGrant`
 */
export async function login(deps: LoginDeps, input: LoginInput): Promise<LoginResult> {
  const grant = resolveRequestedGrant(deps, input);
  const key = identifierKey(input.identifier);
  const { trustedAddress } = input.caller;
  const address = trustedAddress ? addressKey(input.clientAddress) : undefined;
  const clientAddress = trustedAddress ? (canonicalAddress(input.clientAddress) ?? "") : "";
  const user = await readUser(deps, key, address);
  const device = await findDevice(deps, input.deviceToken, user);
  const attempt = { account: accountOf(key, input.identifier), address, knownBy: knownBy(user, device) };
  const failedLogin: FailedLogin = {
    caller: input.caller.name,
    requestId: input.requestId,
    clientId: grant.clientId,
    userId: user?.userId,
    account: attempt.account,
    clientAddress: clientAddress || undefined,
  };
  const isRight = await verifyPassword(deps, input, user, attempt).catch((error: unknown) => {
    if (error instanceof LoginLimitError) deps.failedLogins.count(failedLogin, error.budget);
    throw error;
  });
  if (user === undefined || !isRight) {
    await deps.failedLogins.record(failedLogin, refusalReason(user));
    throw new AuthError("INVALID_CREDENTIALS");
  }
  // The session must not get a key that was tainted in the meantime.
  await deps.keyRing.follow(user.keysVersion);
  const outcome = await deps.sessions.open({
    id: deps.newId(),
    userId: user.userId,
    passwordVersion: user.passwordVersion,
    rev: user.rev,
    caller: input.caller.name,
    ...grant,
    amr: ["pwd"],
    refreshKey: deps.keyRing.refreshKey.number,
    device: firstCharacters(input.device, maxDeviceCharacters),
    clientAddress,
    addressKey: address,
    userAgent: firstCharacters(input.userAgent, maxUserAgentCharacters),
    requestId: input.requestId,
  });
  return finish(deps, outcome, { user, device, grant });
}

/** What the check of the password has found. */
interface Checked {
  readonly user: LoginSnapshot;
  readonly device: Device | undefined;
  readonly grant: RequestedGrant;
}

async function finish(
  deps: LoginDeps,
  outcome: OpenOutcome,
  { user, device, grant }: Checked,
): Promise<LoginResult> {
  switch (outcome.kind) {
    case "opened": {
      // The new session may have ended the user's oldest one.
      deps.knownRevocations.notice();
      const tokens = await mintTokens(deps, outcome.grant, grant);
      const deviceToken = mintDeviceToken(deps.keyRing.refreshKey, {
        userId: user.userId,
        deviceId: device?.deviceId ?? deps.newId(),
        passwordVersion: user.passwordVersion,
        issuedAt: Math.floor(outcome.grant.now.getTime() / 1000),
      });
      return { tokens, session: outcome.session, deviceToken };
    }
    case "stale":
      throw new AuthError("INVALID_CREDENTIALS");
    case "revoked":
      throw new AuthError("CONFLICT", { message: "the user was revoked during the login; log in again" });
  }
}

/** Releases the hashing slot before the wait for a login limit, so that attempts that wait there cannot fill the hasher. */
async function readUser(
  deps: LoginDeps,
  key: UserKey | undefined,
  address: string | undefined,
): Promise<LoginSnapshot | undefined> {
  using _ = deps.passwordHasher.reserveSlot();
  return key === undefined ? undefined : await deps.users.readForLogin(key, address);
}

/**
 * Checks the password within the limits of failed logins. For an unknown user, a disabled user and a user without a password
 * the work, the limits and the answer are the same.
 */
async function verifyPassword(
  deps: LoginDeps,
  { password, signal }: LoginInput,
  user: LoginSnapshot | undefined,
  attempt: LoginAttempt,
): Promise<boolean> {
  const reservation = await deps.loginBudgets.reserve(attempt, signal);
  let failed = false;
  try {
    const matches = await deps.passwordHasher.verify(normalizePassword(password), user?.passwordHash, signal);
    failed = !matches || user === undefined || user.disabled;
    return !failed;
  } finally {
    await reservation.settle(failed);
  }
}

function refusalReason(user: LoginSnapshot | undefined): RefusalReason {
  if (user === undefined) return "unknown_user";
  if (user.disabled) return "disabled";
  return user.passwordHash === undefined ? "no_password" : "wrong_password";
}

/** What is counted as one account: the folded text of the request. */
function accountOf(key: UserKey | undefined, identifier: string): string {
  return key === undefined ? `text ${identifier}` : JSON.stringify(key);
}
