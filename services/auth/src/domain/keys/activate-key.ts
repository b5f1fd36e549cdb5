import { PosternError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import type { Uuid } from "../ports/ids.ts";
import type { KeyStore } from "../ports/key-store.ts";
import { type PrepareKeyDeps, prepareNext } from "./prepare-key.ts";

export interface ActivateKeyDeps extends PrepareKeyDeps {
  readonly keys: Pick<KeyStore, "list" | "prepare" | "activate">;
}

export interface Haste {
  /** A signing key too that has not been published for the lead. */
  readonly atOnce: boolean;
}

/**
 * Puts a prepared key in the place of the active one, and prepares the one after it.
 * @throws PosternError `NOT_FOUND`, `PRECONDITION_FAILED`
 */
export async function activateKey(
  deps: ActivateKeyDeps,
  { id, atOnce }: { readonly id: Uuid } & Haste,
  actor: Actor,
): Promise<void> {
  const leadMs = atOnce ? 0 : deps.keyPolicy.publishLeadMs;
  switch (await deps.keys.activate(id, { leadMs }, actor)) {
    case "unknown":
      throw new PosternError("NOT_FOUND", { message: "there is no such key" });
    case "not_prepared":
    case "overtaken":
      throw new PosternError("PRECONDITION_FAILED", { message: "the key is not a prepared one" });
    case "too_young":
      throw new PosternError("PRECONDITION_FAILED", {
        message:
          "the key has not been published for POSTERN_KEY_PUBLISH_LEAD yet: whoever holds an older key set would " +
          "refuse its tokens. Wait, or activate it at once all the same",
      });
    case "activated":
      await prepareNext(deps, "signing", actor);
  }
}
