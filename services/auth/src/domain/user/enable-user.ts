import { demand } from "../caller/caller.ts";
import type { UserId } from "../ports/ids.ts";
import type { User, UserStore } from "../ports/user-store.ts";
import { type Administration, changedUser, changeOptions } from "./administration.ts";

export interface EnableUserDeps {
  readonly users: Pick<UserStore, "setDisabled">;
}

export interface EnableUserInput extends Administration {
  readonly userId: UserId;
}

/**
 * Lets a disabled user log in again. Ended sessions stay ended. Idempotent.
 *
 * @throws {AuthError} `NOT_PERMITTED`, `NOT_FOUND`
 */
export async function enableUser({ users }: EnableUserDeps, input: EnableUserInput): Promise<User> {
  demand(input.caller, "users");
  return changedUser(await users.setDisabled(input.userId, false, changeOptions(input)));
}
