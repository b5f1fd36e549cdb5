import type { Caller } from "../../domain/caller/caller.ts";
import type { Actor } from "../../domain/ports/actor.ts";
import type { NewId } from "../../domain/ports/ids.ts";

const everything: ReadonlySet<string> = new Set(["*"]);

/** Whoever may run the command line with the database's credentials is an administrator. */
export const cliCaller: Caller = {
  name: "cli",
  permissions: new Set(["admin"]),
  scopes: everything,
  audiences: everything,
  clients: everything,
  trustedAddress: false,
};

/** The command line in the audit; each run has a request id of its own. */
export function cliActor(newId: NewId): Actor {
  return { caller: cliCaller.name, requestId: newId() };
}
