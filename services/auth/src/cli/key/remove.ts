import { removeKey } from "../../domain/keys/remove-key.ts";
import { formatId } from "../../lib/type-id.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { findKey, parseKeyId } from "../options/named-key.ts";
import { cliActor } from "../server/cli-caller.ts";
import { withKeys } from "./with-keys.ts";

/** Deletes the secret of a key. */
export const keyRemove: Command = {
  path: ["key", "remove"],
  summary:
    "Delete the secret of a key permanently; retired keys are removed automatically when no token needs them",
  usage: "KEY [--force] [--embedded]",
  options: {
    force: {
      type: "boolean",
      help: "also a retired key whose tokens may still be valid: they are then rejected",
    },
    ...embeddedOption,
  },
  maxPositionals: 1,
  async run(args, io) {
    const id = parseKeyId(args.positionals[0]);
    return withKeys(args, io, async (context) => {
      const key = await findKey(context.keys, { id });
      await removeKey(context, { ...key, force: flag(args, "force") }, cliActor(context.newId));
      return { id: formatId("key", id), state: "removed" };
    });
  },
};
