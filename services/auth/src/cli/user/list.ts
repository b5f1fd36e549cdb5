import { listUsers } from "../../domain/user/list-users.ts";
import { type Command, embeddedOption, flag, textOption } from "../command.ts";
import { pageOptions, parsePage, showPage } from "../options/page-options.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";
import { showUser } from "./view.ts";

/** Lists users in the order in which they were added. */
export const userList: Command = {
  path: ["user", "list"],
  summary: "List users",
  usage: "[--query TEXT] [--page-size N] [--page-token T] [--embedded]",
  options: {
    query: { type: "string", value: "TEXT", help: "only users whose address or name begins with this text" },
    ...pageOptions,
    ...embeddedOption,
  },
  async run(args, io) {
    const input = { caller: cliCaller, query: textOption(args, "query") ?? "", ...parsePage(args) };
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores) => {
      const { users, nextPageToken } = await listUsers(stores, input);
      return showPage(args, io, "users", users.map(showUser), nextPageToken);
    });
  },
};
