import { AuthError } from "../errors.ts";
import type { NewId } from "../ports/ids.ts";
import type { NewUser, User, UserStore } from "../ports/user-store.ts";
import { type Administration, actorOf, demandToGrant } from "./administration.ts";
import { parseEmail, parseUsername } from "./identifier.ts";
import { hashNewPassword, type PasswordDeps } from "./new-password.ts";

export interface CreateUserDeps extends PasswordDeps {
  readonly users: Pick<UserStore, "create">;
  readonly newId: NewId;
}

export interface CreateUserInput extends Administration {
  readonly email: string;
  readonly username: string | undefined;
  /** Without one, the user cannot log in with a password. */
  readonly password: string | undefined;
  readonly roles: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * Adds a user. Only a caller with `admin` may add an administrator.
 *
 * @throws {AuthError} `NOT_PERMITTED`, `INVALID_REQUEST`, `WEAK_PASSWORD`, `ALREADY_EXISTS`, `OVERLOADED`
 */
export async function createUser(deps: CreateUserDeps, input: CreateUserInput): Promise<User> {
  const { password, roles, signal } = input;
  demandToGrant(input.caller, roles);
  const { email, emailKey } = parseEmail(input.email);
  const { username, usernameKey } = parseOptionalUsername(input.username);

  const passwordHash =
    password === undefined ? undefined : await hashNewPassword(deps, password, { email, username }, signal);
  const user: NewUser = { id: deps.newId(), email, emailKey, username, usernameKey, roles, passwordHash };
  const outcome = await deps.users.create(user, actorOf(input));
  if (outcome.kind === "created") return outcome.user;
  throw new AuthError("ALREADY_EXISTS", {
    message: outcome.field === "email" ? "the e-mail address is taken" : "the user name is taken",
  });
}

function parseOptionalUsername(username: string | undefined) {
  return username === undefined ? { username, usernameKey: undefined } : parseUsername(username);
}
