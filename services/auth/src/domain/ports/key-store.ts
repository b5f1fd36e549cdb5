import type { Actor } from "./actor.ts";
import type { Uuid } from "./ids.ts";

export type KeyPurpose = "signing" | "refresh";
/**
 * A key is prepared (a signing key is published), becomes active (makes tokens; one of each purpose does), is retired
 * by its successor (what it made still holds) and removed in the end: its secret is gone. A tainted one is in strange
 * hands: nothing it made holds.
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

/** A key as it is made, before the store has numbered it. */
export interface NewKey {
  readonly id: Uuid;
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
  /** Counts up over all keys; refresh tokens name their key by it. */
  readonly number: number;
  readonly state: KeyState;
  /** A signing key is published from then on. */
  readonly createdAt: Date;
  readonly activatedAt: Date | undefined;
  /** When it ceased to make tokens. */
  readonly retiredAt: Date | undefined;
}

/** Every key that is not removed, in one snapshot. */
export interface KeyList {
  /** Another one after every change of a key's state, whatever it was; the log's head names it too. */
  readonly version: Uuid;
  /** The database's time. */
  readonly now: Date;
  /** In the order of their numbers. */
  readonly keys: readonly StoredKey[];
}

export type PrepareOutcome = "prepared" | "already" | "too_many";
/** `too_young`: published for less than the lead. `overtaken`: another key is the active one. */
export type ActivateOutcome = "activated" | "unknown" | "not_prepared" | "too_young" | "overtaken";
/** `no_successor`: an active key can only be tainted when a prepared one can take its place. */
export type TaintOutcome =
  | { readonly kind: "tainted"; readonly seq: number }
  | { readonly kind: "already"; readonly seq: number }
  | { readonly kind: "unknown" }
  | { readonly kind: "no_successor" };
/** `needed`: retired for less than what it made may live. */
export type RemoveOutcome = "removed" | "unknown" | "already" | "active" | "needed";

/** Keys at rest. Each method throws PosternError `UNAVAILABLE` when the store is down. */
export interface KeyStore {
  list(): Promise<KeyList>;
  /** Makes the key active where its purpose has no active key yet; of two servers that try, one succeeds. */
  addFirst(key: NewKey, actor: Actor): Promise<void>;
  /**
   * Adds a prepared key.
   * @param limits `unlessPrepared`: not where one of its purpose and algorithm stands already; `most`: keys of the
   * purpose that are not removed, this one included
   */
  prepare(
    key: NewKey,
    limits: { readonly unlessPrepared: boolean; readonly most: number },
    actor: Actor,
  ): Promise<PrepareOutcome>;
  /**
   * Puts a prepared key in the place of the active one, which is retired.
   * @param conditions `leadMs`: how long at least a signing key must have been published; `insteadOf`: only where
   * that key is the active one
   */
  activate(
    id: Uuid,
    conditions: { readonly leadMs: number; readonly insteadOf?: Uuid },
    actor: Actor,
  ): Promise<ActivateOutcome>;
  /**
   * Ends what the key has made: of a signing key its tokens, of a refresh key everything that was authenticated
   * before. An active key gives way to the prepared one that has been published the longest.
   */
  taint(id: Uuid, actor: Actor): Promise<TaintOutcome>;
  /** @param keptForMs how long a retired key is kept at least */
  remove(id: Uuid, keptForMs: number, actor: Actor): Promise<RemoveOutcome>;
  /** Puts `to` in the place of `from`. @returns whether that was still what is stored */
  reseal(id: Uuid, from: Uint8Array, to: Uint8Array, actor: Actor): Promise<boolean>;
}
