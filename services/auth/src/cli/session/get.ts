import { describeSession } from "../../domain/session/describe-session.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { sessionArgument } from "../options/session-id.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";
import { showStory, showStoryLines } from "./view.ts";

/** Shows the state of a session, and the reason. */
export const sessionGet: Command = {
  path: ["session", "get"],
  summary: "Show a session, open or ended: its state, the reason and the caller",
  usage: "SESSION [--embedded]",
  options: embeddedOption,
  maxPositionals: 1,
  async run(args, io) {
    const sessionId = sessionArgument(args);
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores) => {
      const story = await describeSession(
        { ...stores, monotonicMs: () => performance.now() },
        { caller: cliCaller, sessionId },
      );
      if (flag(args, "json")) return showStory(story);
      return showStoryLines(story, await stores.userNames.readMany(new Set([story.session.userId])));
    });
  },
};
