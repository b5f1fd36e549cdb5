import { unknownSession } from "../../domain/session/describe-session.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { sessionArgument } from "../options/session-id.ts";
import { withContext } from "../server/with-context.ts";
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
    return withContext(io, { embedded: flag(args, "embedded") }, async (context, config) => {
      // A mistyped ID must not look like a success.
      if ((await context.sessions.find(sessionId)) === undefined) throw unknownSession();
      return revokeAndShow(context, config, io, { kind: "session", sessionId });
    });
  },
};
