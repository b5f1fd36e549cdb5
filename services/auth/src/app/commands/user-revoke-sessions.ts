import { cliActor } from "./cli-caller.ts";
import { type Command, embeddedOption, flag } from "./command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "./user-key.ts";
import { withContext } from "./with-context.ts";

/** Ends all of a user's sessions, with their access tokens. */
export const userRevokeSessions: Command = {
  path: ["user", "revoke-sessions"],
  summary: "End all of a user's sessions",
  usage: `${userKeyUsage} [--embedded]`,
  options: { ...userKeyOptions, ...embeddedOption },
  maxPositionals: 1,
  async run(args, io) {
    const key = parseUserKey(args);
    return withContext(io, { embedded: flag(args, "embedded") }, async ({ users, revocations, newId }) => {
      const { id } = await findUser(users, key);
      const outcome = await revocations.revokeUser(id, cliActor(newId));
      return outcome.kind === "foreign" ? undefined : { sequence: outcome.seq };
    });
  },
};
