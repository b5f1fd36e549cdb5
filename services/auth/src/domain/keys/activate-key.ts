import { AuthError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import type { KeyId } from "../ports/ids.ts";
import type { KeyStore } from "../ports/key-store.ts";
import { type PrepareKeyDeps, prepareNext } from "./prepare-key.ts";

export interface ActivateKeyDeps extends PrepareKeyDeps {
  readonly keys: Pick<KeyStore, "list" | "prepare" | "activate">;
}

/**
 * Replaces the active key by a prepared one, and prepares the next key.
 * @param input `immediate`: also a signing key that has not been published for the lead
 * @throws AuthError `NOT_FOUND`, `PRECONDITION_FAILED`
 */
export async function activateKey(
  deps: ActivateKeyDeps,
  { id, immediate }: { readonly id: KeyId; readonly immediate: boolean },
  actor: Actor,
): Promise<void> {
  const leadMs = immediate ? 0 : deps.keyPolicy.publishLeadMs;
  switch (await deps.keys.activate(id, { leadMs }, actor)) {
    case "unknown":
      throw new AuthError("NOT_FOUND", { message: "no such key" });
    case "not_prepared":
    case "overtaken":
      throw new AuthError("PRECONDITION_FAILED", { message: "the key is not prepared" });
    case "too_young":
      throw new AuthError("PRECONDITION_FAILED", {
        message:
          "the key has not been published for POSTERN_KEY_PUBLISH_LEAD yet: services with an older key set would " +
          "refuse its tokens. Wait, or use `--now`",
      });
    case "activated":
      await prepareNext(deps, "signing", actor);
  }
}
