import { type Caller, demand } from "../caller/caller.ts";
import type { UserId } from "../ports/ids.ts";
import type { User, UserKey, UserStore } from "../ports/user-store.ts";
import { unknownUser } from "./administration.ts";
import { identifierKey } from "./identifier.ts";

export interface GetUserDeps {
  readonly users: Pick<UserStore, "find">;
}

export interface GetUserInput {
  readonly caller: Caller;
  /** `username` finds no addresses, and `email` no names. */
  readonly key: { readonly id: UserId } | { readonly email: string } | { readonly username: string };
}

/**
 * Finds a user by id, e-mail address or name.
 *
 * @throws {AuthError} `NOT_PERMITTED`, `NOT_FOUND`
 */
export async function getUser({ users }: GetUserDeps, { caller, key }: GetUserInput): Promise<User> {
  demand(caller, "users");
  const found = userKey(key);
  const user = found === undefined ? undefined : await users.find(found);
  if (user === undefined) throw unknownUser();
  return user;
}

function userKey(key: GetUserInput["key"]): UserKey | undefined {
  if ("id" in key) return key;
  const [text, kind] = "email" in key ? [key.email, "emailKey"] : [key.username, "usernameKey"];
  const found = identifierKey(text);
  return found !== undefined && kind in found ? found : undefined;
}
