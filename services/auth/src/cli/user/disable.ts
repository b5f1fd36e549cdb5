import { disableUser } from "../../domain/user/disable-user.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";
import { showUser } from "./view.ts";

/** Ends a user's sessions and refuses further logins. Idempotent. */
export const userDisable: Command = {
  path: ["user", "disable"],
  summary: "End a user's sessions and refuse further logins",
  usage: `${userKeyUsage} [--embedded]`,
  options: { ...userKeyOptions, ...embeddedOption },
  maxPositionals: 1,
  async run(args, io) {
    const key = parseUserKey(args);
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores) => {
      const { id: userId } = await findUser(stores.users, key);
      return showUser(await disableUser(stores, { caller: cliCaller, requestId: stores.newId(), userId }));
    });
  },
};
