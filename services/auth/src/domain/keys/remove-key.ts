import { PosternError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import type { KeyStore, StoredKey } from "../ports/key-store.ts";
import { type KeyPolicy, keptForMs } from "./key-policy.ts";

export interface RemoveKeyDeps {
  readonly keys: Pick<KeyStore, "remove">;
  readonly keyPolicy: KeyPolicy;
}

/**
 * Deletes the secret of a key for good.
 * @param input `evenIfNeeded`: a retired key too whose tokens may still live: they end by that
 * @throws PosternError `NOT_FOUND`, `PRECONDITION_FAILED`
 */
export async function removeKey(
  deps: RemoveKeyDeps,
  {
    id,
    purpose,
    retiredAt,
    evenIfNeeded,
  }: Pick<StoredKey, "id" | "purpose" | "retiredAt"> & { evenIfNeeded: boolean },
  actor: Actor,
): Promise<void> {
  const keptMs = keptForMs(purpose, deps.keyPolicy);
  switch (await deps.keys.remove(id, evenIfNeeded ? 0 : keptMs, actor)) {
    case "unknown":
      throw new PosternError("NOT_FOUND", { message: "there is no such key" });
    case "active":
      throw new PosternError("PRECONDITION_FAILED", {
        message: "the key is the active one: rotate first, or taint it",
      });
    case "needed": {
      const until = new Date((retiredAt?.getTime() ?? 0) + keptMs).toISOString();
      throw new PosternError("PRECONDITION_FAILED", {
        message: `what the key has made may live until ${until}; it is removed by itself then`,
      });
    }
    case "already":
    case "removed":
  }
}
