import { prepareKey } from "../../domain/keys/prepare-key.ts";
import { type Command, textOption, UsageError } from "../command.ts";
import { keyOptions, requirePurpose } from "../options/key-options.ts";
import { cliActor } from "../server/cli-caller.ts";
import { showKeyNow } from "./view.ts";
import { withKeys } from "./with-keys.ts";

const algs = ["ES256", "EdDSA", "RS256"] as const;

/** Prepares a key that can be activated later. */
export const keyPrepare: Command = {
  path: ["key", "prepare"],
  summary: "Prepare a key that can be activated later; a signing key is published immediately",
  usage: "--purpose P [--alg A] [--embedded]",
  options: {
    ...keyOptions,
    alg: {
      type: "string",
      value: "A",
      choices: algs,
      help: "algorithm of a signing key (default POSTERN_SIGNING_ALG)",
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
