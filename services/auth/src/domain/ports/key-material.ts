import type { KeyId } from "./ids.ts";
import type { KeyPurpose, NewKey, PublicJwk, SigningAlg, StoredKey } from "./key-store.ts";

/** A signing key with its secret part open. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: SigningAlg;
  readonly publicJwk: PublicJwk;
  /** @returns the signature in its JWS form (RFC 7518 section 3.4: R followed by S for ES256) */
  sign(data: Uint8Array): Uint8Array;
  verify(data: Uint8Array, signature: Uint8Array): boolean;
}

/** A refresh key with its secret part open. */
export interface RefreshKey {
  readonly number: number;
  /** HMAC-SHA-256, 32 bytes. */
  mac(data: Uint8Array): Uint8Array;
  /** Compares in constant time. */
  verify(data: Uint8Array, mac: Uint8Array): boolean;
}

/** None of the server's master keys opens the stored key. */
export class MasterKeyError extends Error {
  override readonly name = "MasterKeyError";
}

/** Makes, seals and opens keys. */
export interface KeyMaterial {
  /** A new key, sealed under the first master key. `alg` matters for signing keys only. */
  generate(purpose: KeyPurpose, id: KeyId, alg: SigningAlg): Promise<NewKey>;
  /** @throws {MasterKeyError} */
  openSigningKey(key: StoredKey): SigningKey;
  /** @throws {MasterKeyError} */
  openRefreshKey(key: StoredKey): RefreshKey;
  /**
   * @returns the same secret, sealed under the first master key; undefined if it is sealed under that key already
   * @throws {MasterKeyError}
   */
  reseal(key: StoredKey): Uint8Array | undefined;
  /** The master key that a stored key is sealed under: 16 hexadecimal digits that identify it and reveal nothing else. */
  masterKeyOf(key: StoredKey): string;
}
