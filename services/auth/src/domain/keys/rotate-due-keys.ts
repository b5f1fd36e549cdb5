import { ownActor } from "../ports/actor.ts";
import type { KeyId } from "../ports/ids.ts";
import type { KeyMaterial } from "../ports/key-material.ts";
import type { KeyStore } from "../ports/key-store.ts";
import { dueStep, type KeyStep, keptForMs } from "./key-policy.ts";
import { type PrepareKeyDeps, prepareNext } from "./prepare-key.ts";
import { resealKeys } from "./reseal-keys.ts";

export interface RotateDueKeysDeps extends PrepareKeyDeps {
  readonly keys: KeyStore;
  readonly material: PrepareKeyDeps["material"] & Pick<KeyMaterial, "reseal">;
  /**
   * Keys that this replica has resealed since it started. A replica reseals each key once only: otherwise replicas with
   * different first master keys, as during a rollout, would undo each other's work again and again.
   */
  readonly resealed: Set<KeyId>;
}

/** Maximum number of steps in a run, so that a run ends even if a step has no effect. */
const maxSteps = 32;

/**
 * Prepares, activates and removes the keys that are due, by the database's time, and reseals keys under the first master
 * key. Any number of replicas may do so at the same time: a step that another replica took first changes nothing.
 * @returns the steps that this call took
 */
export async function rotateDueKeys(deps: RotateDueKeysDeps): Promise<KeyStep[]> {
  await resealKeys(deps, ownActor, deps.resealed);
  const taken: KeyStep[] = [];
  for (let steps = 0; steps < maxSteps; steps++) {
    const step = dueStep(await deps.keys.list(), deps.keyPolicy);
    if (step === undefined) break;
    const outcome = await take(deps, step);
    if (outcome === "too_many") break;
    if (["prepared", "activated", "removed"].includes(outcome)) taken.push(step);
  }
  return taken;
}

async function take(deps: RotateDueKeysDeps, step: KeyStep): Promise<string> {
  switch (step.kind) {
    case "prepare":
      return prepareNext(deps, step.purpose, ownActor);
    case "activate": {
      const { publishLeadMs: leadMs } = deps.keyPolicy;
      return deps.keys.activate(step.key.id, { leadMs, insteadOf: step.insteadOf.id }, ownActor);
    }
    case "remove":
      return deps.keys.remove(step.key.id, keptForMs(step.key.purpose, deps.keyPolicy), ownActor);
  }
}
