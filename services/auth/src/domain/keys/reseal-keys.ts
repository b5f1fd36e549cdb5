import type { Actor } from "../ports/actor.ts";
import type { Uuid } from "../ports/ids.ts";
import type { KeyMaterial } from "../ports/key-material.ts";
import type { KeyStore } from "../ports/key-store.ts";

export interface ResealKeysDeps {
  readonly keys: Pick<KeyStore, "list" | "reseal">;
  readonly material: Pick<KeyMaterial, "reseal">;
}

/**
 * Seals every key under the first master key that is not yet.
 * @param done ids of keys to leave alone; those that are changed are added
 * @returns how many were changed
 * @throws MasterKeyError where one cannot be opened; those before it are changed then
 */
export async function resealKeys(
  { keys, material }: ResealKeysDeps,
  actor: Actor,
  done = new Set<Uuid>(),
): Promise<number> {
  let changed = 0;
  for (const key of (await keys.list()).keys) {
    const sealed = done.has(key.id) ? undefined : material.reseal(key);
    // Of two replicas at it the second one finds another blob, which the first has made.
    if (sealed !== undefined && (await keys.reseal(key.id, key.sealed, sealed, actor))) {
      done.add(key.id);
      changed += 1;
    }
  }
  return changed;
}
