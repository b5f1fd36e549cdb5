import {
  constants,
  createPublicKey,
  type KeyObject,
  type SignKeyObjectInput,
  sign,
  verify,
} from "node:crypto";
import type { KeyId } from "../domain/ports/ids.ts";
import type { SigningKey } from "../domain/ports/key-material.ts";
import type { PublicJwk, SigningAlg } from "../domain/ports/key-store.ts";
import { formatId } from "../lib/type-id.ts";

/**
 * Makes a signing key from a private key. Its public part and its algorithm depend only on the private key: no other column
 * of the store can change them.
 */
export function signingKeyOf(id: KeyId, privateKey: KeyObject): SigningKey {
  const publicJwk = publicJwkOf(id, privateKey);
  const { digest, options } = schemes[publicJwk.alg];
  const signer: SignKeyObjectInput = { key: privateKey, ...options };
  const verifier = { key: createPublicKey(privateKey), ...options };
  return {
    kid: publicJwk.kid,
    alg: publicJwk.alg,
    publicJwk,
    sign: (data) => sign(digest, data, signer),
    verify: (data, signature) => verify(digest, data, verifier, signature),
  };
}

/** The public part of a private key, with the `kid` of its ID. */
export function publicJwkOf(id: KeyId, privateKey: KeyObject): PublicJwk {
  const { kty, ...members } = createPublicKey(privateKey).export({ format: "jwk" }) as { kty: string };
  return { kid: formatId("key", id), alg: algOf(privateKey), use: "sig", kty, ...members };
}

interface Scheme {
  readonly digest: "sha256" | null;
  readonly options: Omit<SignKeyObjectInput, "key">;
}

const schemes: Readonly<Record<SigningAlg, Scheme>> = {
  ES256: { digest: "sha256", options: { dsaEncoding: "ieee-p1363" } },
  EdDSA: { digest: null, options: {} },
  RS256: { digest: "sha256", options: { padding: constants.RSA_PKCS1_PADDING } },
};

function algOf(key: KeyObject): SigningAlg {
  switch (key.asymmetricKeyType) {
    case "ec":
      return "ES256";
    case "ed25519":
      return "EdDSA";
    case "rsa":
      return "RS256";
    default:
      throw new TypeError(`not a signing key: ${key.asymmetricKeyType}`);
  }
}
