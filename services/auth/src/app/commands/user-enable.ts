import { enableUser } from "../../domain/user/enable-user.ts";
import { cliCaller } from "./cli-caller.ts";
import { type Command, embeddedOption, flag } from "./command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "./user-key.ts";
import { showUser } from "./user-view.ts";
import { withContext } from "./with-context.ts";

/** Let a disabled user log in again; idempotent. */
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
