import { disableUser } from "../../domain/user/disable-user.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withContext } from "../server/with-context.ts";
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
    return withContext(io, { embedded: flag(args, "embedded") }, async (context) => {
      const { id: userId } = await findUser(context.users, key);
      return showUser(await disableUser(context, { caller: cliCaller, requestId: context.newId(), userId }));
    });
  },
};
