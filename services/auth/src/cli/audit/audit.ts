import { listAuditEvents } from "../../domain/audit/list-audit-events.ts";
import { type Args, type Command, embeddedOption, flag, UsageError } from "../command.ts";
import { auditOptions, auditUsage, parseAskedEvents, toFilter } from "../options/audit-options.ts";
import { pageOptions, parsePage, showPage } from "../options/page-options.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";
import { printFollowing } from "./follow.ts";
import { showEvent, showRow } from "./view.ts";

/** Shows what was done, by which caller and to which user. */
export const audit: Command = {
  path: ["audit"],
  summary: "Show the audit, the newest events first; with --follow new events as they arrive",
  usage: `${auditUsage} [--follow] [--page-size N] [--page-token T] [--embedded]`,
  options: {
    ...auditOptions,
    follow: {
      type: "boolean",
      help: "print new events as they arrive, the oldest first; with --json one on each line",
    },
    ...pageOptions,
    ...embeddedOption,
  },
  async run(args, io) {
    const asked = parseAskedEvents(args);
    const page = parsePage(args);
    const json = flag(args, "json");
    const follows = flag(args, "follow");
    if (follows) demandNoPages(args);
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores) => {
      const filter = await toFilter(asked, stores.users, await stores.audit.readTime());
      if (follows) return printFollowing(stores, io, filter, { json });
      const { events, nextPageToken } = await listAuditEvents(
        { ...stores, monotonicMs: () => performance.now() },
        {
          caller: cliCaller,
          filter,
          order: "newest first",
          ...page,
          timeoutMs: Number.POSITIVE_INFINITY,
        },
      );
      const ids = new Set(events.flatMap(({ userId }) => userId ?? []));
      const names = json ? new Map() : await stores.userNames.readMany(ids);
      const items = events.map((event) => (json ? showEvent(event) : showRow(event, names)));
      return showPage(args, io, "events", items, nextPageToken);
    });
  },
};

/** @throws {UsageError} */
function demandNoPages({ values }: Args): void {
  const without = ["until", "page-size", "page-token"].find((name) => values[name] !== undefined);
  if (without !== undefined) throw new UsageError(`--follow does not end: leave out --${without}`);
}
