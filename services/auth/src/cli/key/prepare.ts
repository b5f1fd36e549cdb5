import { prepareKey } from "../../domain/keys/prepare-key.ts";
import { type Command, textOption, UsageError } from "../command.ts";
import { keyOptions, requirePurpose } from "../options/key-options.ts";
import { cliActor } from "../server/cli-caller.ts";
import { showKeyNow } from "./view.ts";
import { withKeys } from "./with-keys.ts";

const algs = ["ES256", "EdDSA", "RS256"] as const;

/** Makes a key that can take over. */
export const keyPrepare: Command = {
  path: ["key", "prepare"],
  summary: "Make a key that can take over; a signing key is published from now on",
  usage: "--purpose P [--alg A] [--embedded]",
  options: {
    ...keyOptions,
    alg: {
      type: "string",
      value: "A",
      choices: algs,
      help: "of a signing key (default POSTERN_SIGNING_ALG)",
    },
  },
  async run(args, io) {
    const purpose = requirePurpose(args);
    const alg = algs.find((one) => one === textOption(args, "alg"));
    if (alg !== undefined && purpose !== "signing") throw new UsageError("--alg is for signing keys");
    return withKeys(args, io, async (context) => {
      const { id } = await prepareKey(context, { purpose, alg }, cliActor(context.newId));
      return showKeyNow(context, id);
    });
  },
};
