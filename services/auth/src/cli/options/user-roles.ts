import { type Args, textOptions, UsageError } from "../command.ts";

const mostRoles = 32;

/** @throws {UsageError} if a role is malformed or repeated, or if there are too many */
export function parseRoles(args: Args): readonly string[] {
  const roles = textOptions(args, "role");
  if (!roles.every((role) => /^[a-z][a-z0-9_.:-]{0,63}$/.test(role))) {
    throw new UsageError("a role is a lower-case letter and up to 63 of a-z, 0-9, `_`, `.`, `:`, `-`");
  }
  if (new Set(roles).size !== roles.length) throw new UsageError("a role is given twice");
  if (roles.length > mostRoles) throw new UsageError(`a user has at most ${mostRoles} roles`);
  return roles;
}
