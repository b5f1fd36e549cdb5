import { type Args, flag, integerOption, type Option, textOption } from "../command.ts";
import type { Io } from "../io.ts";

/** The options of commands that list. */
export const pageOptions = {
  "page-size": { type: "string", value: "N", help: "maximum number of results, 1 to 1000 (default 50)" },
  "page-token": { type: "string", value: "T", help: "continue after the previous page" },
} as const satisfies Readonly<Record<string, Option>>;

/** @throws {UsageError} */
export function parsePage(args: Args): { pageSize: number; pageToken: string } {
  return {
    pageSize: integerOption(args, "page-size", 1, 1000) ?? 0,
    pageToken: textOption(args, "page-token") ?? "",
  };
}

/** With `--json`, the page with its token. Otherwise the list, and the token of the next page on stderr. */
export function showPage(
  args: Args,
  io: Io,
  name: string,
  items: readonly unknown[],
  nextPageToken: string,
): unknown {
  if (flag(args, "json")) return { [name]: items, nextPageToken };
  if (nextPageToken !== "") io.stderr.write(`there are more: --page-token ${nextPageToken}\n`);
  return items;
}
