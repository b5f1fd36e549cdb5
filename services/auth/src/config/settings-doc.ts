import { replaceMarked } from "../lib/marked-section.ts";
import { type Setting, settingNames, settings } from "./settings.ts";

const markers = [
  "<!-- table of settings, generated: vitest run services/auth/src/config --update -->",
  "<!-- end of the table of settings -->",
] as const;

/**
 * `docs/reference/configuration.md` with the current table of settings.
 * @throws {Error} if the page does not have the markers of the table
 */
export function withSettingsTable(page: string): string {
  const rows = settingNames.map((name) => {
    const setting: Setting<unknown> = settings[name];
    return `| \`${name}\` | ${describeDefault(setting)} | ${setting.meaning}${setting.secret ? " (secret)" : ""} |`;
  });
  return replaceMarked(page, markers, ["| name | default | meaning |", "|---|---|---|", ...rows].join("\n"));
}

function describeDefault(setting: Setting<unknown>): string {
  const plain = setting.default === undefined ? "none" : `\`${setting.default}\``;
  return setting.embedded === undefined ? plain : `${plain}; embedded: ${setting.embedded}`;
}
