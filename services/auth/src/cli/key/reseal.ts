import { resealKeys } from "../../domain/keys/reseal-keys.ts";
import { type Command, embeddedOption } from "../command.ts";
import { cliActor } from "../server/cli-caller.ts";
import { withKeys } from "./with-keys.ts";

/** Seals every key under the first master key. */
export const keyReseal: Command = {
  path: ["key", "reseal"],
  summary:
    "Seal every key under the first key of POSTERN_MASTER_KEY; servers do this automatically within seconds",
  usage: "[--embedded]",
  options: embeddedOption,
  run(args, io) {
    return withKeys(args, io, async (context) => ({
      resealed: await resealKeys(context, cliActor(context.newId)),
    }));
  },
};
