import { type Command, embeddedOption, flag } from "../command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { withStores } from "../server/with-stores.ts";
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
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores, config) => {
      const { id: userId } = await findUser(stores.users, key);
      return revokeAndShow(stores, config, io, { kind: "user", userId });
    });
  },
};
