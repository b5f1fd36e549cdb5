import type { Command } from "../command.ts";
import { keyOptions, parsePurpose } from "../options/key-options.ts";
import { showKey } from "./view.ts";
import { withKeys } from "./with-keys.ts";

/** Lists the keys that are not removed. */
export const keyList: Command = {
  path: ["key", "list"],
  summary: "List keys with their states and the IDs of their master keys",
  usage: "[--purpose P] [--embedded]",
  options: keyOptions,
  async run(args, io) {
    const purpose = parsePurpose(args);
    return withKeys(args, io, async ({ keys, material }) => ({
      keys: (await keys.list()).keys
        .filter((key) => purpose === undefined || key.purpose === purpose)
        .map((key) => showKey(key, material)),
    }));
  },
};
