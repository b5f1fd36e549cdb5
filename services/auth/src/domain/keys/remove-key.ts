import { AuthError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import type { KeyStore, StoredKey } from "../ports/key-store.ts";
import { type KeyPolicy, keptForMs } from "./key-policy.ts";

export interface RemoveKeyDeps {
  readonly keys: Pick<KeyStore, "remove">;
  readonly keyPolicy: KeyPolicy;
}

/**
 * Deletes the secret of a key irrevocably.
 * @param input `force`: also a retired key that may have made living tokens, which end with it
 * @throws AuthError `NOT_FOUND`, `PRECONDITION_FAILED`
 */
export async function removeKey(
  deps: RemoveKeyDeps,
  { id, purpose, retiredAt, force }: Pick<StoredKey, "id" | "purpose" | "retiredAt"> & { force: boolean },
  actor: Actor,
): Promise<void> {
  const keptMs = keptForMs(purpose, deps.keyPolicy);
  switch (await deps.keys.remove(id, force ? 0 : keptMs, actor)) {
    case "unknown":
      throw new AuthError("NOT_FOUND", { message: "no such key" });
    case "active":
      throw new AuthError("PRECONDITION_FAILED", {
        message: "the key is active: rotate first, or taint it",
      });
    case "needed": {
      const until = new Date((retiredAt?.getTime() ?? 0) + keptMs).toISOString();
      throw new AuthError("PRECONDITION_FAILED", {
        message: `tokens of the key may live until ${until}; the key is removed automatically then`,
      });
    }
    case "already":
    case "removed":
  }
}
