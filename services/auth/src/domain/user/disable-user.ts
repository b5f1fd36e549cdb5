import { demand } from "../caller/caller.ts";
import type { UserId } from "../ports/ids.ts";
import type { RevocationNotifier } from "../ports/revocation-log.ts";
import type { User, UserStore } from "../ports/user-store.ts";
import { type Administration, changedUser, changeOptions } from "./administration.ts";

export interface DisableUserDeps {
  readonly users: Pick<UserStore, "setDisabled">;
  readonly knownRevocations: RevocationNotifier;
}

export interface DisableUserInput extends Administration {
  readonly userId: UserId;
}

/**
 * Disables the user and ends the user's sessions. Idempotent.
 *
 * @throws {AuthError} `NOT_PERMITTED`, `NOT_FOUND`
 */
export async function disableUser(deps: DisableUserDeps, input: DisableUserInput): Promise<User> {
  demand(input.caller, "users");
  const disabled = changedUser(await deps.users.setDisabled(input.userId, true, changeOptions(input)));
  deps.knownRevocations.notice();
  return disabled;
}
