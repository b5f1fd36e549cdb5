import { setRoles } from "../../domain/user/set-roles.ts";
import { type Command, embeddedOption, flag, UsageError } from "../command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { parseRoles } from "../options/user-roles.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";
import { showUser } from "./view.ts";

/** Replaces a user's roles. */
export const userSetRoles: Command = {
  path: ["user", "set-roles"],
  summary: "Replace a user's roles",
  usage: `${userKeyUsage} (--role R... | --none) [--embedded]`,
  options: {
    ...userKeyOptions,
    role: { type: "string", multiple: true, value: "R", help: "a role of the user after the change" },
    none: { type: "boolean", help: "remove all roles" },
    ...embeddedOption,
  },
  maxPositionals: 1,
  async run(args, io) {
    const key = parseUserKey(args);
    const roles = parseRoles(args);
    if (flag(args, "none") !== (roles.length === 0)) throw new UsageError("give either --role or --none");
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores) => {
      const { id: userId } = await findUser(stores.users, key);
      return showUser(
        await setRoles(stores, { caller: cliCaller, requestId: stores.newId(), userId, roles }),
      );
    });
  },
};
