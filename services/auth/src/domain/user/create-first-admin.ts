import { AuthError } from "../errors.ts";
import type { NewId } from "../ports/ids.ts";
import type { UserStore } from "../ports/user-store.ts";
import { adminRole } from "./administration.ts";
import { parseEmail } from "./identifier.ts";
import { hashNewPassword, type PasswordDeps } from "./new-password.ts";

export interface CreateFirstAdminDeps extends PasswordDeps {
  readonly users: Pick<UserStore, "createFirstAdmin">;
  readonly newId: NewId;
}

export interface CreateFirstAdminInput {
  readonly email: string;
  readonly password: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/**
 * Adds the first administrator. Does nothing if there is any administrator.
 *
 * @throws {AuthError} `INVALID_REQUEST`, `WEAK_PASSWORD`; `ALREADY_EXISTS` if the address belongs to a
 * user who is not an administrator
 */
export async function createFirstAdmin(
  deps: CreateFirstAdminDeps,
  { email: text, password, requestId, signal }: CreateFirstAdminInput,
): Promise<"created" | "exists"> {
  const { email, emailKey } = parseEmail(text);
  const username = undefined;
  const passwordHash = await hashNewPassword(deps, password, { email, username }, signal);
  const user = { email, emailKey, username, usernameKey: undefined, roles: [adminRole], passwordHash };

  const actor = { caller: "bootstrap", requestId };
  const { kind } = await deps.users.createFirstAdmin({ id: deps.newId(), ...user }, actor);
  if (kind !== "taken") return kind;
  throw new AuthError("ALREADY_EXISTS", {
    message: "the first administrator's e-mail address belongs to a user who is not an administrator",
  });
}
