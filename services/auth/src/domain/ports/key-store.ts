import type { Uuid } from "./ids.ts";

export type KeyPurpose = "signing" | "refresh";
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
  readonly createdAt: Date;
}

/** Keys at rest. Each method throws PosternError `UNAVAILABLE` when the store is down. */
export interface KeyStore {
  /** Every key that is not removed. */
  list(): Promise<StoredKey[]>;
  /** Makes the key active where its purpose has no active key yet; of two servers that try, one succeeds. */
  addFirst(key: NewKey): Promise<void>;
}
