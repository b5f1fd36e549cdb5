import { demand } from "../caller/caller.ts";
import type { UserId } from "../ports/ids.ts";
import type { RevocationNotifier } from "../ports/revocation-log.ts";
import type { User, UserStore } from "../ports/user-store.ts";
import { type Administration, changedUser, changeOptions, unknownUser } from "./administration.ts";
import { hashNewPassword, type PasswordDeps } from "./new-password.ts";

export interface SetPasswordDeps extends PasswordDeps {
  readonly users: Pick<UserStore, "find" | "setPassword">;
  readonly knownRevocations: RevocationNotifier;
}

export interface SetPasswordInput extends Administration {
  readonly userId: UserId;
  readonly password: string;
  readonly signal: AbortSignal;
}

/**
 * Replaces the user's password and ends the user's sessions.
 *
 * @throws {AuthError} `NOT_PERMITTED`, `NOT_FOUND`, `WEAK_PASSWORD`, `INVALID_REQUEST`, `OVERLOADED`
 */
export async function setPassword(deps: SetPasswordDeps, input: SetPasswordInput): Promise<User> {
  demand(input.caller, "users");
  const user = await deps.users.find({ id: input.userId });
  if (user === undefined) throw unknownUser();
  const hash = await hashNewPassword(deps, input.password, user, input.signal);
  const changed = changedUser(await deps.users.setPassword(input.userId, hash, changeOptions(input)));
  deps.knownRevocations.notice();
  return changed;
}
