import { unknownSession } from "../../domain/session/describe-session.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { sessionArgument } from "../options/session-id.ts";
import { withStores } from "../server/with-stores.ts";
import { revokeAndShow } from "./revoke.ts";

/** Ends one session, with its tokens. */
export const sessionEnd: Command = {
  path: ["session", "end"],
  summary: "End a session and its tokens, immediately and on every replica",
  usage: "SESSION [--embedded]",
  options: embeddedOption,
  maxPositionals: 1,
  async run(args, io) {
    const sessionId = sessionArgument(args);
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores, config) => {
      // A mistyped ID must not look like a success.
      if ((await stores.sessions.find(sessionId)) === undefined) throw unknownSession();
      return revokeAndShow(stores, config, io, { kind: "session", sessionId });
    });
  },
};
