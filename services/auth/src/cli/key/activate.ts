import { activateKey } from "../../domain/keys/activate-key.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { nowOption } from "../options/key-options.ts";
import { parseKeyId } from "../options/named-key.ts";
import { cliActor } from "../server/cli-caller.ts";
import { showKeyNow } from "./view.ts";
import { withKeys } from "./with-keys.ts";

/** Activates a prepared key. */
export const keyActivate: Command = {
  path: ["key", "activate"],
  summary: "Activate a prepared key and retire the active one",
  usage: "KEY [--now] [--embedded]",
  options: { ...nowOption, ...embeddedOption },
  maxPositionals: 1,
  async run(args, io) {
    const id = parseKeyId(args.positionals[0]);
    return withKeys(args, io, async (context) => {
      await activateKey(context, { id, immediate: flag(args, "now") }, cliActor(context.newId));
      return showKeyNow(context, id);
    });
  },
};
