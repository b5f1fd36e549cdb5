import type { Actor } from "./actor.ts";
import type { KeyId, Uuid } from "./ids.ts";

export type KeyPurpose = "signing" | "refresh";
/**
 * A key is prepared (a signing key is published), then active (it makes tokens; one key of each purpose is active), then
 * retired by its successor (its tokens are still valid), then removed (its secret is deleted). A tainted key may be
 * compromised: everything that it made is rejected.
 */
export type KeyState = "prepared" | "active" | "retired" | "tainted" | "removed";
export type SigningAlg = "ES256" | "EdDSA" | "RS256";

/** A public signing key as JWKS publishes it (RFC 7517). */
export interface PublicJwk {
  readonly kid: string;
  readonly alg: SigningAlg;
  readonly use: "sig";
  readonly kty: string;
  readonly [member: string]: string;
}

/** A new key, before the store has numbered it. */
export interface NewKey {
  readonly id: KeyId;
  readonly purpose: KeyPurpose;
  /** `ES256`, `EdDSA`, `RS256`, or `HS256` for refresh keys. */
  readonly alg: SigningAlg | "HS256";
  /** Signing keys only. */
  readonly publicJwk: PublicJwk | undefined;
  /** The secret part, sealed under the master key. */
  readonly sealed: Uint8Array;
}

/** A key as it is stored. */
export interface StoredKey extends NewKey {
  /** Increases over all keys. Refresh tokens name their key by it. */
  readonly number: number;
  readonly state: KeyState;
  /** A signing key is published from this time on. */
  readonly createdAt: Date;
  readonly activatedAt: Date | undefined;
  /** When it stopped making tokens. */
  readonly retiredAt: Date | undefined;
}

/** Every key that is not removed, in one snapshot. */
export interface KeyList {
  /** Changes with every change of a key's state. The log's head has it too. */
  readonly version: Uuid;
  /** The database's time. */
  readonly now: Date;
  /** In the order of their numbers. */
  readonly keys: readonly StoredKey[];
}

export type PrepareOutcome = "prepared" | "already" | "too_many";
/** `too_young`: published for less than the lead. `overtaken`: another key is active. */
export type ActivateOutcome = "activated" | "unknown" | "not_prepared" | "too_young" | "overtaken";
/** `no_successor`: an active key can be tainted only if a prepared key can replace it. */
export type TaintOutcome =
  | { readonly kind: "tainted"; readonly seq: number }
  | { readonly kind: "already"; readonly seq: number }
  | { readonly kind: "unknown" }
  | { readonly kind: "no_successor" };
/** `needed`: tokens that it made may still be valid. */
export type RemoveOutcome = "removed" | "unknown" | "already" | "active" | "needed";

/** Stored keys. Each method throws AuthError `UNAVAILABLE` if the store is down. */
export interface KeyStore {
  list(): Promise<KeyList>;
  /** Adds the key as the active one, if its purpose has no active key yet. If two servers try, one succeeds. */
  addFirst(key: NewKey, actor: Actor): Promise<void>;
  /**
   * Adds a prepared key.
   * @param limits `unlessPrepared`: only if there is no prepared key of its purpose and algorithm; `most`: maximum number
   * of keys of the purpose that are not removed, with this one
   */
  prepare(
    key: NewKey,
    limits: { readonly unlessPrepared: boolean; readonly most: number },
    actor: Actor,
  ): Promise<PrepareOutcome>;
  /**
   * Activates a prepared key and retires the active one.
   * @param conditions `leadMs`: minimum time for which a signing key must have been published; `insteadOf`: only if that
   * key is the active one
   */
  activate(
    id: KeyId,
    conditions: { readonly leadMs: number; readonly insteadOf?: KeyId },
    actor: Actor,
  ): Promise<ActivateOutcome>;
  /**
   * Revokes what the key has made: the tokens of a signing key; everything that was authenticated before, for a refresh
   * key. The prepared key that has been published the longest replaces an active key.
   */
  taint(id: KeyId, actor: Actor): Promise<TaintOutcome>;
  /** @param keptForMs minimum time for which a retired key is kept */
  remove(id: KeyId, keptForMs: number, actor: Actor): Promise<RemoveOutcome>;
  /** Replaces `from` by `to`. @returns whether `from` was still stored */
  reseal(id: KeyId, from: Uint8Array, to: Uint8Array, actor: Actor): Promise<boolean>;
}
