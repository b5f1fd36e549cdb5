import type { User } from "../../domain/ports/user-store.ts";
import { formatId } from "../../lib/type-id.ts";

/** What a user is called, in the form that commands print. */
export function showIdentity({ id, email, username, roles }: User) {
  return { id: formatId("usr", id), email, username: username ?? null, roles };
}

/** All that is shown of a user; the members are those of the RPC's JSON. */
export function showUser(user: User) {
  const { disabled, createdAt, updatedAt, lastLoginAt, loginCount } = user;
  const rest = { disabled, createdAt, updatedAt, lastLoginAt: lastLoginAt ?? null, loginCount };
  return { ...showIdentity(user), ...rest };
}
