import { type Caller, demand, permits } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import type { ChangeOptions, ChangeUserOutcome, User } from "../ports/user-store.ts";

/** The caller of an administration, and its request. */
export interface Administration {
  readonly caller: Caller;
  readonly requestId: string;
}

/** The role of administrators. It gives access to Postern's own administration. */
export const adminRole = "admin";

/** For the audit. */
export function actorOf({ caller, requestId }: Administration): Actor {
  return { caller: caller.name, requestId };
}

/**
 * A caller with `users` but without `admin` may not change administrators: by setting an administrator's password, it
 * would become one.
 */
export function changeOptions(input: Administration): ChangeOptions {
  return { actor: actorOf(input), excludeAdmins: !permits(input.caller, "admin") };
}

/** @throws {AuthError} `NOT_PERMITTED` if the caller lacks `users`, or grants `admin` without having it */
export function demandToGrant(caller: Caller, roles: readonly string[]): void {
  demand(caller, "users");
  if (roles.includes(adminRole)) demand(caller, "admin");
}

/** @throws {AuthError} `NOT_FOUND`, `NOT_PERMITTED` */
export function changedUser(outcome: ChangeUserOutcome): User {
  switch (outcome.kind) {
    case "changed":
      return outcome.user;
    case "unknown":
      throw unknownUser();
    case "administrator":
      throw new AuthError("NOT_PERMITTED", {
        message: "only a caller with the permission `admin` may change an administrator",
      });
  }
}

export function unknownUser(): AuthError {
  return new AuthError("NOT_FOUND", { message: "no such user" });
}
