import type { Actor } from "../ports/actor.ts";
import type { KeyId } from "../ports/ids.ts";
import type { KeyMaterial } from "../ports/key-material.ts";
import type { KeyStore } from "../ports/key-store.ts";

export interface ResealKeysDeps {
  readonly keys: Pick<KeyStore, "list" | "reseal">;
  readonly material: Pick<KeyMaterial, "reseal">;
}

/**
 * Seals every key under the first master key.
 * @param done ids of keys to skip; changed keys are added
 * @returns the number of changed keys
 * @throws MasterKeyError if a key cannot be opened; keys before it may have been changed
 */
export async function resealKeys(
  { keys, material }: ResealKeysDeps,
  actor: Actor,
  done = new Set<KeyId>(),
): Promise<number> {
  let changed = 0;
  for (const key of (await keys.list()).keys) {
    const sealed = done.has(key.id) ? undefined : material.reseal(key);
    // If two replicas reseal the same key, the second one finds the first one's blob and changes nothing.
    if (sealed !== undefined && (await keys.reseal(key.id, key.sealed, sealed, actor))) {
      done.add(key.id);
      changed += 1;
    }
  }
  return changed;
}
