import { enableUser } from "../../domain/user/enable-user.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";
import { showUser } from "./view.ts";

/** Lets a disabled user log in again. Idempotent. */
export const userEnable: Command = {
  path: ["user", "enable"],
  summary: "Let a disabled user log in again",
  usage: `${userKeyUsage} [--embedded]`,
  options: { ...userKeyOptions, ...embeddedOption },
  maxPositionals: 1,
  async run(args, io) {
    const key = parseUserKey(args);
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores) => {
      const { id: userId } = await findUser(stores.users, key);
      return showUser(await enableUser(stores, { caller: cliCaller, requestId: stores.newId(), userId }));
    });
  },
};
