import { AuthError } from "../errors.ts";
import type { Actor } from "../ports/actor.ts";
import type { KeyId, NewId } from "../ports/ids.ts";
import type { KeyMaterial } from "../ports/key-material.ts";
import type { KeyPurpose, KeyStore, PrepareOutcome, SigningAlg } from "../ports/key-store.ts";
import { type KeyPolicy, maxKeys } from "./key-policy.ts";

export interface PrepareKeyDeps {
  readonly keys: Pick<KeyStore, "list" | "prepare">;
  readonly material: Pick<KeyMaterial, "generate" | "openSigningKey" | "openRefreshKey">;
  readonly newId: NewId;
  readonly keyPolicy: KeyPolicy;
}

/**
 * Adds a prepared key, even if there is one. A prepared signing key is published.
 * @throws MasterKeyError if an existing key cannot be opened; no key is added then
 */
export async function prepareKey(
  deps: PrepareKeyDeps,
  input: { readonly purpose: KeyPurpose; readonly alg?: SigningAlg | undefined },
  actor: Actor,
): Promise<{ readonly id: KeyId }> {
  const { id, outcome } = await prepare(deps, { ...input, unlessPrepared: false }, actor);
  if (outcome === "too_many") {
    throw new AuthError("PRECONDITION_FAILED", {
      message: `there are ${maxKeys} ${input.purpose} keys: remove a prepared key or a key that is no longer needed`,
    });
  }
  return { id };
}

/** Adds a prepared key if there is none. `too_many` keys are no error. */
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
): Promise<{ id: KeyId; outcome: PrepareOutcome }> {
  // A key sealed with master keys that the servers do not have would keep the servers from starting.
  for (const key of (await keys.list()).keys) {
    if (key.state === "tainted") continue;
    if (key.purpose === "signing") material.openSigningKey(key);
    else material.openRefreshKey(key);
  }
  const key = await material.generate(purpose, newId(), alg);
  return { id: key.id, outcome: await keys.prepare(key, { unlessPrepared, most: maxKeys }, actor) };
}
