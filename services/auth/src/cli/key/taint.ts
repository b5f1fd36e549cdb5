import { taintKey } from "../../domain/keys/taint-key.ts";
import { type Command, flag, UsageError } from "../command.ts";
import { keyOptions } from "../options/key-options.ts";
import { findKey, parseKey } from "../options/named-key.ts";
import { cliActor } from "../server/cli-caller.ts";
import { showKeyNow } from "./view.ts";
import { withKeys } from "./with-keys.ts";

/** Revokes everything that a compromised key has made. */
export const keyTaint: Command = {
  path: ["key", "taint"],
  summary: "Revoke everything that a compromised key has made; for a refresh key, every session",
  usage: "(KEY | --purpose P) [--yes] [--embedded]",
  options: {
    ...keyOptions,
    yes: { type: "boolean", help: "required for a refresh key: every user has to log in again" },
  },
  maxPositionals: 1,
  async run(args, io) {
    const named = parseKey(args);
    return withKeys(args, io, async (context) => {
      const key = await findKey(context.keys, named);
      if (key.purpose === "refresh" && !flag(args, "yes")) {
        throw new UsageError(
          "a tainted refresh key ends every session, and every user has to log in again: add --yes",
        );
      }
      const { seq } = await taintKey(context, key, cliActor(context.newId));
      return { ...(await showKeyNow(context, key.id)), sequence: seq };
    });
  },
};
