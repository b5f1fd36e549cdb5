import { type SearchSessionsInput, searchSessions } from "../../domain/session/search-sessions.ts";
import type { Stores } from "../../server/stores.ts";
import { type Args, type Command, embeddedOption, flag, textOption, UsageError } from "../command.ts";
import type { Io } from "../io.ts";
import { pageOptions, parsePage, showPage } from "../options/page-options.ts";
import { findUser, guessKey } from "../options/user-key.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";
import { showRecord, showRecordRow } from "./view.ts";

/** Lists sessions of a user or of a client, the newest first. */
export const sessionList: Command = {
  path: ["session", "list"],
  summary: "List sessions of a user, of a client, or of both, the newest first",
  usage: "(--user USER | --client ID) [--all] [--page-size N] [--page-token T] [--embedded]",
  options: {
    user: {
      type: "string",
      value: "USER",
      help: "only sessions of this user, by ID, e-mail address or name",
    },
    client: { type: "string", value: "ID", help: "only sessions of this client" },
    all: {
      type: "boolean",
      help: "also ended sessions: they are kept until a day after their absolute end",
    },
    ...pageOptions,
    ...embeddedOption,
  },
  async run(args, io) {
    const [user, clientId] = [textOption(args, "user"), textOption(args, "client")];
    if (user === undefined && clientId === undefined) throw new UsageError("name a --user or a --client");
    const key = user === undefined ? undefined : guessKey(user);
    const page = parsePage(args);
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores) => {
      const userId = key === undefined ? undefined : (await findUser(stores.users, key)).id;
      return searchAndShow(stores, args, io, { userId, clientId, all: flag(args, "all"), ...page });
    });
  },
};

/** A page of matching sessions, with `--json` for programs. */
export async function searchAndShow(
  stores: Stores,
  args: Args,
  io: Io,
  asked: Omit<SearchSessionsInput, "caller">,
): Promise<unknown> {
  const json = flag(args, "json");
  const { sessions, nextPageToken } = await searchSessions(stores, { caller: cliCaller, ...asked });
  const ids = new Set(sessions.map(({ userId }) => userId));
  const names = json ? new Map() : await stores.userNames.readMany(ids);
  const items = sessions.map((session) => (json ? showRecord(session) : showRecordRow(session, names)));
  return showPage(args, io, "sessions", items, nextPageToken);
}
