import { type Setting, settingNames, settings } from "../../config/settings.ts";
import { type Command, flag } from "../command.ts";
import { readConfig } from "./read-config.ts";

/** Checks the configuration and prints its values, with secrets masked. */
export const checkConfig: Command = {
  path: ["check-config"],
  summary: "Check the configuration and print it, with secrets masked",
  usage: "[--embedded]",
  options: { embedded: { type: "boolean", help: "check the configuration for `postern serve --embedded`" } },
  async run(args, io) {
    const embedded = flag(args, "embedded");
    const { raw } = readConfig(io, { embedded });
    const shown = settingNames.map((name) => {
      const setting: Setting<unknown> = settings[name];
      const text = raw.values.get(name);
      if (text !== undefined) return [name, setting.secret ? "(set)" : text];
      const made = embedded && setting.embedded !== undefined ? `(${setting.embedded})` : null;
      return [name, made ?? setting.default ?? null];
    });
    return Object.fromEntries(shown);
  },
};
