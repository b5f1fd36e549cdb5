import { activateKey, rotateKey } from "../../domain/keys/activate-key.ts";
import { cliActor } from "./cli-caller.ts";
import { type Command, embeddedOption, flag } from "./command.ts";
import { keyOptions, parseKeyId, requirePurpose, showKeyNow, withKeys } from "./key-support.ts";

const nowOption = {
  now: {
    type: "boolean",
    help: "even if it was published for less than POSTERN_KEY_PUBLISH_LEAD: some readers may refuse its tokens at first",
  },
} as const;

/** Puts a prepared key in the place of the active one. */
export const keyActivate: Command = {
  path: ["key", "activate"],
  summary: "Put a prepared key in the place of the active one, which is retired",
  usage: "KEY [--now] [--embedded]",
  options: { ...nowOption, ...embeddedOption },
  maxPositionals: 1,
  async run(args, io) {
    const id = parseKeyId(args.positionals[0]);
    return withKeys(args, io, async (context) => {
      await activateKey(context, { id, atOnce: flag(args, "now") }, cliActor(context.newId));
      return showKeyNow(context, id);
    });
  },
};

/** Lets the next key take over. */
export const keyRotate: Command = {
  path: ["key", "rotate"],
  summary: "Let the next key take over, and prepare the one after it",
  usage: "--purpose P [--now] [--embedded]",
  options: { ...keyOptions, ...nowOption },
  async run(args, io) {
    const purpose = requirePurpose(args);
    return withKeys(args, io, async (context) => {
      const { id } = await rotateKey(
        context,
        { purpose, atOnce: flag(args, "now") },
        cliActor(context.newId),
      );
      return showKeyNow(context, id);
    });
  },
};
