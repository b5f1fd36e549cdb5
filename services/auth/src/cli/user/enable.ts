import { enableUser } from "../../domain/user/enable-user.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withContext } from "../server/with-context.ts";
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
    return withContext(io, { embedded: flag(args, "embedded") }, async (context) => {
      const { id: userId } = await findUser(context.users, key);
      return showUser(await enableUser(context, { caller: cliCaller, requestId: context.newId(), userId }));
    });
  },
};
