import { type Command, embeddedOption, flag } from "../command.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { withStores } from "../server/with-stores.ts";
import { showUser } from "./view.ts";

/** Prints a user. */
export const userGet: Command = {
  path: ["user", "get"],
  summary: "Print a user",
  usage: `${userKeyUsage} [--embedded]`,
  options: { ...userKeyOptions, ...embeddedOption },
  maxPositionals: 1,
  async run(args, io) {
    const key = parseUserKey(args);
    return withStores(io, { embedded: flag(args, "embedded") }, async ({ users }) =>
      showUser(await findUser(users, key)),
    );
  },
};
