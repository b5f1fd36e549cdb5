import type { User } from "../../domain/ports/user-store.ts";
import { formatId } from "../../lib/type-id.ts";

/** The name of a user, as commands print it. */
export function showIdentity({ id, email, username, roles }: User) {
  return { id: formatId("usr", id), email, username: username ?? null, roles };
}

/** A user, with the members of the RPC's JSON. */
export function showUser(user: User) {
  const { disabled, createdAt, updatedAt, lastLoginAt, loginCount } = user;
  const rest = { disabled, createdAt, updatedAt, lastLoginAt: lastLoginAt ?? null, loginCount };
  return { ...showIdentity(user), ...rest };
}
