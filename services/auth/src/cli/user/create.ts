import { createUser } from "../../domain/user/create-user.ts";
import { type Command, embeddedOption, flag, requiredOption, textOption } from "../command.ts";
import { makePassword, passwordFileOption, readPassword } from "../options/password.ts";
import { parseRoles } from "../options/user-roles.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";
import { showIdentity } from "./view.ts";

/** Adds a user. A generated password is printed only now. */
export const userCreate: Command = {
  path: ["user", "create"],
  summary: "Add a user",
  usage: "--email E [--username N] [--role R]... [--password-file PATH] [--embedded]",
  options: {
    email: { type: "string", value: "E", help: "e-mail address" },
    username: { type: "string", value: "N", help: "a name for logins" },
    role: {
      type: "string",
      multiple: true,
      value: "R",
      help: "a role; `admin` makes the user an administrator",
    },
    ...passwordFileOption,
    ...embeddedOption,
  },
  async run(args, io) {
    const email = requiredOption(args, "email");
    const username = textOption(args, "username");
    const roles = parseRoles(args);
    const given = await readPassword(io, textOption(args, "password-file"));
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores, config) => {
      const password = given ?? makePassword(config.passwordMinLength);
      // Loaded only here: its list of common passwords is long.
      const { passwordDeps } = await import("../../server/password-deps.ts");
      const deps = { ...stores, ...passwordDeps(config) };
      const { signal } = new AbortController();
      const requestId = stores.newId();
      const input = { caller: cliCaller, requestId, email, username, password, roles, signal };
      const user = showIdentity(await createUser(deps, input));
      return given === undefined ? { ...user, password } : user;
    });
  },
};
