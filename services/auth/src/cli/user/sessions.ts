import { type Command, embeddedOption, flag } from "../command.ts";
import { pageOptions, parsePage } from "../options/page-options.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { withStores } from "../server/with-stores.ts";
import { searchAndShow } from "../session/list.ts";

/** Lists a user's open sessions, the newest first. */
export const userSessions: Command = {
  path: ["user", "sessions"],
  summary: "List a user's sessions",
  usage: `${userKeyUsage} [--page-size N] [--page-token T] [--embedded]`,
  options: { ...userKeyOptions, ...pageOptions, ...embeddedOption },
  maxPositionals: 1,
  async run(args, io) {
    const key = parseUserKey(args);
    const page = parsePage(args);
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores) => {
      const { id: userId } = await findUser(stores.users, key);
      return searchAndShow(stores, args, io, { userId, clientId: undefined, all: false, ...page });
    });
  },
};
