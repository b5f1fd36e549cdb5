import { PosternError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import type { NewId, Uuid } from "../ports/ids.ts";
import type { KeyMaterial } from "../ports/key-material.ts";
import type { KeyPurpose, KeyStore, PrepareOutcome, SigningAlg } from "../ports/key-store.ts";
import { type KeyPolicy, mostKeys } from "./key-policy.ts";

export interface PrepareKeyDeps {
  readonly keys: Pick<KeyStore, "list" | "prepare">;
  readonly material: Pick<KeyMaterial, "generate" | "openSigningKey" | "openRefreshKey">;
  readonly newId: NewId;
  readonly keyPolicy: KeyPolicy;
}

/**
 * Makes a key that can take over; a signing key is published from now on. Others may be prepared already.
 * @throws MasterKeyError where one of those that are there cannot be opened; no new one is made then
 */
export async function prepareKey(
  deps: PrepareKeyDeps,
  input: { readonly purpose: KeyPurpose; readonly alg?: SigningAlg | undefined },
  actor: Actor,
): Promise<{ readonly id: Uuid }> {
  const { id, outcome } = await prepare(deps, { ...input, unlessPrepared: false }, actor);
  if (outcome === "too_many") {
    throw new PosternError("PRECONDITION_FAILED", {
      message: `there are ${mostKeys} ${input.purpose} keys: remove one that is prepared or no longer needed`,
    });
  }
  return { id };
}

/** Sees to it that a key is ready to take over. Where there are too many to add one, it is left at that. */
export async function prepareNext(
  deps: PrepareKeyDeps,
  purpose: KeyPurpose,
  actor: Actor,
): Promise<PrepareOutcome> {
  return (await prepare(deps, { purpose, unlessPrepared: true }, actor)).outcome;
}

async function prepare(
  { keys, material, newId, keyPolicy }: PrepareKeyDeps,
  {
    purpose,
    alg = keyPolicy.signingAlg,
    unlessPrepared,
  }: {
    readonly purpose: KeyPurpose;
    readonly alg?: SigningAlg | undefined;
    readonly unlessPrepared: boolean;
  },
  actor: Actor,
): Promise<{ id: Uuid; outcome: PrepareOutcome }> {
  // Sealed by whoever has other master keys than the servers, the new one would keep them from starting.
  for (const key of (await keys.list()).keys) {
    if (key.state === "tainted") continue;
    if (key.purpose === "signing") material.openSigningKey(key);
    else material.openRefreshKey(key);
  }
  const key = await material.generate(purpose, newId(), alg);
  return { id: key.id, outcome: await keys.prepare(key, { unlessPrepared, most: mostKeys }, actor) };
}
