import { rotateKey } from "../../domain/keys/rotate-key.ts";
import { type Command, flag } from "../command.ts";
import { keyOptions, nowOption, requirePurpose } from "../options/key-options.ts";
import { cliActor } from "../server/cli-caller.ts";
import { showKeyNow } from "./view.ts";
import { withKeys } from "./with-keys.ts";

/** Activates the next key. */
export const keyRotate: Command = {
  path: ["key", "rotate"],
  summary: "Activate the next key, and prepare another one",
  usage: "--purpose P [--now] [--embedded]",
  options: { ...keyOptions, ...nowOption },
  async run(args, io) {
    const purpose = requirePurpose(args);
    return withKeys(args, io, async (context) => {
      const { id } = await rotateKey(
        context,
        { purpose, immediate: flag(args, "now") },
        cliActor(context.newId),
      );
      return showKeyNow(context, id);
    });
  },
};
