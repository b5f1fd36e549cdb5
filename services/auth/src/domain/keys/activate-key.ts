import { PosternError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import type { Uuid } from "../ports/ids.ts";
import type { KeyPurpose, KeyStore } from "../ports/key-store.ts";
import { nextKey } from "./key-policy.ts";
import { type PrepareKeyDeps, prepareKey, prepareNext } from "./prepare-key.ts";

export interface ActivateKeyDeps extends PrepareKeyDeps {
  readonly keys: Pick<KeyStore, "list" | "prepare" | "activate">;
}

interface Haste {
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

/**
 * Lets the next key take over; where none is prepared one is made, which is of use at once only to refresh keys and to
 * those in haste.
 * @returns the key that is active now
 * @throws PosternError `PRECONDITION_FAILED`
 */
export async function rotateKey(
  deps: ActivateKeyDeps,
  { purpose, atOnce }: { readonly purpose: KeyPurpose } & Haste,
  actor: Actor,
): Promise<{ readonly id: Uuid }> {
  const { id } =
    nextKey(await deps.keys.list(), purpose, deps.keyPolicy) ?? (await prepareKey(deps, { purpose }, actor));
  await activateKey(deps, { id, atOnce }, actor);
  return { id };
}
