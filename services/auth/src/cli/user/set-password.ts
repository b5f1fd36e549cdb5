import { setPassword } from "../../domain/user/set-password.ts";
import { type Command, embeddedOption, flag, textOption } from "../command.ts";
import { makePassword, passwordFileOption, readPassword } from "../options/password.ts";
import { findUser, parseUserKey, userKeyOptions, userKeyUsage } from "../options/user-key.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";
import { showIdentity } from "./view.ts";

/** Replaces a user's password and ends the user's sessions. A generated password is printed only now. */
export const userSetPassword: Command = {
  path: ["user", "set-password"],
  summary: "Replace a user's password and end the user's sessions",
  usage: `${userKeyUsage} [--password-file PATH] [--embedded]`,
  options: { ...userKeyOptions, ...passwordFileOption, ...embeddedOption },
  maxPositionals: 1,
  async run(args, io) {
    const key = parseUserKey(args);
    const given = await readPassword(io, textOption(args, "password-file"));
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores, config) => {
      const password = given ?? makePassword(config.passwordMinLength);
      // Loaded only here: its list of common passwords is long.
      const { passwordDeps } = await import("../../server/password-deps.ts");
      const deps = { ...stores, ...passwordDeps(config) };
      const { id: userId } = await findUser(stores.users, key);
      const { signal } = new AbortController();
      const input = { caller: cliCaller, requestId: stores.newId(), userId, password, signal };
      const user = showIdentity(await setPassword(deps, input));
      return given === undefined ? { ...user, password } : user;
    });
  },
};
