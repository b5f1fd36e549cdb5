import { demand } from "../caller/caller.ts";
import type { Uuid } from "../ports/ids.ts";
import type { User, UserStore } from "../ports/user-store.ts";
import { type Administration, changedUser, changeOptions } from "./administration.ts";

export interface DisableUserDeps {
  readonly users: Pick<UserStore, "setDisabled">;
}

export interface DisableUserInput extends Administration {
  readonly userId: Uuid;
}

/**
 * Ends the user's sessions and lets the user log in no more; idempotent.
 *
 * @throws {PosternError} `NOT_PERMITTED`, `NOT_FOUND`
 */
export async function disableUser({ users }: DisableUserDeps, input: DisableUserInput): Promise<User> {
  demand(input.caller, "users");
  return changedUser(await users.setDisabled(input.userId, true, changeOptions(input)));
}
