import { setTimeout as wait } from "node:timers/promises";
import { followAudit } from "../../domain/audit/follow-audit.ts";
import type { AuditFilter } from "../../domain/ports/audit-store.ts";
import type { Stores } from "../../server/stores.ts";
import type { Io } from "../io.ts";
import { formatJson } from "../output.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { showEvent, showLine } from "./view.ts";

const everyMs = 1_000;

/** Prints new events as they arrive, one on each line, until SIGINT or SIGTERM, or until stdout is closed. */
export async function printFollowing(
  { audit, userNames }: Pick<Stores, "audit" | "userNames">,
  io: Io,
  filter: AuditFilter,
  { json }: { readonly json: boolean },
): Promise<void> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  const names = ["SIGINT", "SIGTERM"] as const;
  for (const name of names) process.on(name, stop);
  const signal = AbortSignal.any([stopping.signal, io.closed]);
  let isAway = false;
  const deps = {
    audit,
    pause: (until: AbortSignal) => wait(everyMs, undefined, { signal: until }).catch(() => {}),
    onUnavailable: () => {
      if (!isAway) io.stderr.write("the database did not answer; retrying\n");
      isAway = true;
    },
  };
  try {
    for await (const event of followAudit(deps, { caller: cliCaller, filter, signal })) {
      isAway = false;
      const { userId } = event;
      const called = json || userId === undefined ? new Map() : await userNames.readMany(new Set([userId]));
      io.stdout.write(json ? formatJson(showEvent(event)) : showLine(event, called));
    }
  } finally {
    for (const name of names) process.off(name, stop);
  }
}
