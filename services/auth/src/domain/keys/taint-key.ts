import { AuthError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import { MasterKeyError } from "../ports/key-material.ts";
import type { KeyStore, StoredKey } from "../ports/key-store.ts";
import { type PrepareKeyDeps, prepareKey, prepareNext } from "./prepare-key.ts";

export interface TaintKeyDeps extends PrepareKeyDeps {
  readonly keys: Pick<KeyStore, "list" | "prepare" | "taint">;
}

/**
 * Marks a key as compromised and ends everything that it has made. The prepared key that has been published the longest
 * replaces an active key; if there is none, a new key does.
 * @returns the number of the entry in the revocation log
 * @throws AuthError `NOT_FOUND`
 */
export async function taintKey(
  deps: TaintKeyDeps,
  { id, purpose }: Pick<StoredKey, "id" | "purpose">,
  actor: Actor,
): Promise<{ readonly seq: number }> {
  const first = await deps.keys.taint(id, actor);
  if (first.kind === "no_successor") await prepareKey(deps, { purpose }, actor);
  const outcome = first.kind === "no_successor" ? await deps.keys.taint(id, actor) : first;
  switch (outcome.kind) {
    case "unknown":
      throw new AuthError("NOT_FOUND", { message: "no such key" });
    case "no_successor":
      throw new AuthError("CONFLICT", { message: "another process is changing the keys: try again" });
    case "tainted":
    case "already":
      await prepareNext(deps, "signing", actor).catch(leaveToServers);
      return { seq: outcome.seq };
  }
}

/** The key is tainted already. A server that can open the keys prepares the next key within seconds. */
function leaveToServers(error: unknown): void {
  if (!(error instanceof MasterKeyError)) throw error;
}
