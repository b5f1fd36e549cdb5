import {
  createHmac,
  createPrivateKey,
  createSecretKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import type { KeyMaterial, RefreshKey } from "../domain/ports/key-material.ts";
import type { NewKey, SigningAlg } from "../domain/ports/key-store.ts";
import { createSealer, masterKeyIdOf } from "./sealing.ts";
import { publicJwkOf, signingKeyOf } from "./signing-key.ts";

const makePair = promisify(generateKeyPair);
const refreshKeyLength = 32;
const macLength = 32;

/**
 * Keys with `node:crypto`. A signing key is sealed as PKCS#8 DER, a refresh key as its 32 bytes. Each is sealed for its
 * purpose and ID, so it cannot be opened if rows of the store were swapped.
 *
 * @param masterKeys of 32 bytes; the first seals, all open
 */
export function createKeyMaterial({ masterKeys }: { masterKeys: readonly Uint8Array[] }): KeyMaterial {
  const sealer = createSealer(masterKeys);

  return {
    async generate(purpose, id, alg): Promise<NewKey> {
      if (purpose === "refresh") {
        const sealed = sealer.seal("refresh key", id, randomBytes(refreshKeyLength));
        return { id, purpose, alg: "HS256", publicJwk: undefined, sealed };
      }
      const privateKey = await makePrivateKey(alg);
      const sealed = sealer.seal("signing key", id, privateKey.export({ format: "der", type: "pkcs8" }));
      return { id, purpose, alg, publicJwk: publicJwkOf(id, privateKey), sealed };
    },

    openSigningKey({ id, sealed }) {
      const der = Buffer.from(sealer.open("signing key", id, sealed));
      return signingKeyOf(id, createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
    },

    openRefreshKey({ id, number, sealed }) {
      return refreshKeyOf(number, sealer.open("refresh key", id, sealed));
    },

    reseal({ id, purpose, sealed }) {
      if (sealer.isUnderFirst(sealed)) return undefined;
      const use = `${purpose} key`;
      return sealer.seal(use, id, sealer.open(use, id, sealed));
    },

    masterKeyOf: ({ sealed }) => masterKeyIdOf(sealed),
  };
}

async function makePrivateKey(alg: SigningAlg): Promise<KeyObject> {
  switch (alg) {
    case "ES256":
      return (await makePair("ec", { namedCurve: "P-256" })).privateKey;
    case "EdDSA":
      return (await makePair("ed25519")).privateKey;
    case "RS256":
      return (await makePair("rsa", { modulusLength: 3072 })).privateKey;
    default:
      throw new TypeError(`no such algorithm: ${String(alg satisfies never)}`);
  }
}

function refreshKeyOf(number: number, secret: Uint8Array): RefreshKey {
  const key = createSecretKey(secret);
  const mac = (data: Uint8Array) => createHmac("sha256", key).update(data).digest();
  return {
    number,
    mac,
    verify: (data, given) => given.length === macLength && timingSafeEqual(mac(data), given),
  };
}
