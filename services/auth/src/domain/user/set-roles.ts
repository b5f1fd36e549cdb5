import type { UserId } from "../ports/ids.ts";
import type { User, UserStore } from "../ports/user-store.ts";
import { type Administration, changedUser, changeOptions, demandToGrant } from "./administration.ts";

export interface SetRolesDeps {
  readonly users: Pick<UserStore, "setRoles">;
}

export interface SetRolesInput extends Administration {
  readonly userId: UserId;
  /** All roles of the user after the change. */
  readonly roles: readonly string[];
}

/**
 * Replaces the user's roles. Only a caller with `admin` may add or remove the role of an administrator.
 *
 * @throws {AuthError} `NOT_PERMITTED`, `NOT_FOUND`
 */
export async function setRoles({ users }: SetRolesDeps, input: SetRolesInput): Promise<User> {
  demandToGrant(input.caller, input.roles);
  return changedUser(await users.setRoles(input.userId, input.roles, changeOptions(input)));
}
