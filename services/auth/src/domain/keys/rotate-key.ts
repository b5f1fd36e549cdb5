import type { Actor } from "../ports/actor.ts";
import type { KeyId } from "../ports/ids.ts";
import type { KeyPurpose } from "../ports/key-store.ts";
import { type ActivateKeyDeps, activateKey } from "./activate-key.ts";
import { nextKey } from "./key-policy.ts";
import { prepareKey } from "./prepare-key.ts";

/**
 * Activates the next key. If no key is prepared, it prepares one. A signing key that was prepared just now can be activated
 * with `immediate` only.
 * @returns the active key
 * @throws AuthError `PRECONDITION_FAILED`
 */
export async function rotateKey(
  deps: ActivateKeyDeps,
  { purpose, immediate }: { readonly purpose: KeyPurpose; readonly immediate: boolean },
  actor: Actor,
): Promise<{ readonly id: KeyId }> {
  const { id } =
    nextKey(await deps.keys.list(), purpose, deps.keyPolicy) ?? (await prepareKey(deps, { purpose }, actor));
  await activateKey(deps, { id, immediate }, actor);
  return { id };
}
