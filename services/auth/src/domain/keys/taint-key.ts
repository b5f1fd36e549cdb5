import { PosternError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import { MasterKeyError } from "../ports/key-material.ts";
import type { KeyStore, StoredKey } from "../ports/key-store.ts";
import { type PrepareKeyDeps, prepareKey, prepareNext } from "./prepare-key.ts";

export interface TaintKeyDeps extends PrepareKeyDeps {
  readonly keys: Pick<KeyStore, "list" | "prepare" | "taint">;
}

/**
 * Ends everything that a key has made, since its secret may be in strange hands. An active one gives way to the
 * prepared key that has been published the longest, or else to a new one.
 * @returns the log's number of the end
 * @throws PosternError `NOT_FOUND`
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
      throw new PosternError("NOT_FOUND", { message: "there is no such key" });
    case "no_successor":
      throw new PosternError("CONFLICT", { message: "somebody else is changing the keys: try again" });
    case "tainted":
    case "already":
      await prepareNext(deps, "signing", actor).catch(leaveToServers);
      return { seq: outcome.seq };
  }
}

/** It is done; a server that can open the keys prepares the next one within seconds. */
function leaveToServers(error: unknown): void {
  if (!(error instanceof MasterKeyError)) throw error;
}
