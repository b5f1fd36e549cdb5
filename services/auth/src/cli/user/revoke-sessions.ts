import { type Command, embeddedOption, flag } from "../command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { withContext } from "../server/with-context.ts";
import { revokeAndShow } from "../session/revoke.ts";

/** Ends all of a user's sessions, with their access tokens. */
export const userRevokeSessions: Command = {
  path: ["user", "revoke-sessions"],
  summary: "End all of a user's sessions",
  usage: `${userKeyUsage} [--embedded]`,
  options: { ...userKeyOptions, ...embeddedOption },
  maxPositionals: 1,
  async run(args, io) {
    const key = parseUserKey(args);
    return withContext(io, { embedded: flag(args, "embedded") }, async (context, config) => {
      const { id: userId } = await findUser(context.users, key);
      return revokeAndShow(context, config, io, { kind: "user", userId });
    });
  },
};
