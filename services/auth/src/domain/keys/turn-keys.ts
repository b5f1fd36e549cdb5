import { ownActor } from "../ports/actor.ts";
import type { Uuid } from "../ports/ids.ts";
import type { KeyMaterial } from "../ports/key-material.ts";
import type { KeyStore } from "../ports/key-store.ts";
import { dueStep, type KeyStep, keptForMs } from "./key-policy.ts";
import { type PrepareKeyDeps, prepareNext } from "./prepare-key.ts";
import { resealKeys } from "./reseal-keys.ts";

export interface TurnKeysDeps extends PrepareKeyDeps {
  readonly keys: KeyStore;
  readonly material: PrepareKeyDeps["material"] & Pick<KeyMaterial, "reseal">;
  /**
   * Keys that this replica has sealed anew since it started. Each is so once: while replicas are given another first
   * master key one after the other, they would else undo each other's work.
   */
  readonly resealed: Set<Uuid>;
}

/** A run takes so many steps at the most: should one never take effect, the others still have their turn. */
const mostSteps = 32;

/**
 * Does what is due about the keys, by the database's time. Any number of replicas may do so at once: a step that
 * another was first to take changes nothing.
 * @returns the steps that it took itself
 */
export async function turnKeys(deps: TurnKeysDeps): Promise<KeyStep[]> {
  await resealKeys(deps, ownActor, deps.resealed);
  const taken: KeyStep[] = [];
  for (let steps = 0; steps < mostSteps; steps++) {
    const step = dueStep(await deps.keys.list(), deps.keyPolicy);
    if (step === undefined) break;
    const outcome = await take(deps, step);
    if (outcome === "too_many") break;
    if (["prepared", "activated", "removed"].includes(outcome)) taken.push(step);
  }
  return taken;
}

async function take(deps: TurnKeysDeps, step: KeyStep): Promise<string> {
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
