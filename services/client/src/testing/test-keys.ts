import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { newId } from "./test-ids.ts";

interface TestKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicJwk: Readonly<Record<string, unknown>>;
}

/** ES256 keys. The newest one signs. */
export class TestKeys {
  #keys: readonly TestKey[] = [];
  /** Counts the changes. */
  version = 0;

  constructor() {
    this.rotate();
  }

  /** ID of the key that signs. */
  get kid(): string {
    return this.#active.kid;
  }

  get kids(): readonly string[] {
    return this.#keys.map(({ kid }) => kid);
  }

  /** The public keys, as a JWK Set. */
  get jwks(): string {
    return JSON.stringify({ keys: this.#keys.map(({ publicJwk }) => publicJwk) });
  }

  /** Adds a key, which signs from now on. */
  rotate(): void {
    this.#set([...this.#keys, newKey()]);
  }

  /** Removes a key. If it was the one that signs, a new key replaces it. */
  remove(kid: string): void {
    const left = this.#keys.filter((key) => key.kid !== kid);
    this.#set(left.length === 0 || kid === this.kid ? [...left, newKey()] : left);
  }

  /** Signs claims as a compact JWS in Postern's form. */
  sign(claims: Readonly<Record<string, unknown>>): string {
    const { kid, privateKey } = this.#active;
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const input = `${part({ alg: "ES256", typ: "at+jwt", kid })}.${part(claims)}`;
    const signature = sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${input}.${signature.toString("base64url")}`;
  }

  get #active(): TestKey {
    return this.#keys.at(-1) as TestKey;
  }

  #set(keys: readonly TestKey[]): void {
    this.#keys = keys;
    this.version += 1;
  }
}

function newKey(): TestKey {
  const kid = newId("key");
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    kid,
    privateKey,
    publicJwk: { kid, alg: "ES256", use: "sig", ...publicKey.export({ format: "jwk" }) },
  };
}
