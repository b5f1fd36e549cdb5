import type { Actor } from "../ports/actor.ts";
import type { Uuid } from "../ports/ids.ts";
import type { KeyPurpose } from "../ports/key-store.ts";
import { type ActivateKeyDeps, activateKey, type Haste } from "./activate-key.ts";
import { nextKey } from "./key-policy.ts";
import { prepareKey } from "./prepare-key.ts";

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
