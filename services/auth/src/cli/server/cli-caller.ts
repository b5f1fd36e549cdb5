import type { Caller } from "../../domain/caller/caller.ts";
import type { Actor } from "../../domain/ports/actor.ts";
import type { NewId } from "../../domain/ports/ids.ts";

const everything: ReadonlySet<string> = new Set(["*"]);

/** The caller of commands: the database's credentials make its user an administrator. */
export const cliCaller: Caller = {
  name: "cli",
  permissions: new Set(["admin"]),
  scopes: everything,
  audiences: everything,
  clients: everything,
  trustedAddress: false,
};

/** The command line in the audit. Each run has its own request ID. */
export function cliActor(newId: NewId): Actor {
  return { caller: cliCaller.name, requestId: newId() };
}
