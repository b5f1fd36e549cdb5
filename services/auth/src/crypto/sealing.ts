import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { MasterKeyError } from "../domain/ports/key-material.ts";

/** Seals secrets for storage (AES-256-GCM). A sealed secret can be opened only for the purpose and ID that it was sealed for. */
export interface Sealer {
  /** Under the first master key. */
  seal(purpose: string, id: string, secret: Uint8Array): Uint8Array;
  /** @throws {MasterKeyError} if no master key opens it */
  open(purpose: string, id: string, blob: Uint8Array): Uint8Array;
  /** Whether it was sealed under the first master key. */
  isUnderFirst(blob: Uint8Array): boolean;
}

/** Length of a master key, in bytes. */
export const masterKeyLength = 32;

// Blob: format version (1 byte), id of the master key (8), nonce (12), ciphertext, tag (16).
const version = 1;
const keyIdEnd = 9;
const nonceEnd = 21;
const tagLength = 16;

/**
 * @param masterKeys the first seals, all open
 * @throws {RangeError} if there is none, or one does not have 32 bytes
 */
export function createSealer(masterKeys: readonly Uint8Array[]): Sealer {
  const [first, ...others] = masterKeys.map(readMasterKey);
  if (first === undefined) throw new RangeError("no master key");

  return {
    isUnderFirst: (blob) => masterKeyIdOf(blob) === first.id.toString("hex"),

    seal(purpose, id, secret) {
      const nonce = randomBytes(nonceEnd - keyIdEnd);
      const cipher = createCipheriv("aes-256-gcm", first.derive(purpose), nonce);
      cipher.setAAD(additionalData(purpose, id));
      const sealed = [Buffer.of(version), first.id, nonce, cipher.update(secret), cipher.final()];
      return Uint8Array.from(Buffer.concat([...sealed, cipher.getAuthTag()]));
    },

    open(purpose, id, blob) {
      const bytes = Buffer.from(blob);
      if (bytes.length < nonceEnd + tagLength || bytes[0] !== version) {
        throw new MasterKeyError(`the sealed ${purpose} ${id} is damaged or of a newer version of Postern`);
      }
      const keyId = bytes.subarray(1, keyIdEnd);
      const masterKey = [first, ...others].find((candidate) => candidate.id.equals(keyId));
      if (masterKey === undefined) throw unknownMasterKey(purpose, id, keyId);

      const decipher = createDecipheriv(
        "aes-256-gcm",
        masterKey.derive(purpose),
        bytes.subarray(keyIdEnd, nonceEnd),
        {
          authTagLength: tagLength,
        },
      );
      decipher.setAAD(additionalData(purpose, id));
      decipher.setAuthTag(bytes.subarray(-tagLength));
      try {
        const secret = [decipher.update(bytes.subarray(nonceEnd, -tagLength)), decipher.final()];
        return Uint8Array.from(Buffer.concat(secret));
      } catch {
        throw new MasterKeyError(
          `the sealed ${purpose} ${id} was altered or belongs to something else; restore it from a backup`,
        );
      }
    },
  };
}

/** The ID of the master key that a blob was sealed under, in hexadecimal. */
export function masterKeyIdOf(blob: Uint8Array): string {
  return Buffer.from(blob).subarray(1, keyIdEnd).toString("hex");
}

interface MasterKey {
  /** Identifies a master key and reveals nothing else about it. */
  readonly id: Buffer;
  derive(purpose: string): KeyObject;
}

function readMasterKey(bytes: Uint8Array): MasterKey {
  if (bytes.length !== masterKeyLength) throw new RangeError(`a master key has ${masterKeyLength} bytes`);
  const key = createSecretKey(bytes);
  const hash = createHash("sha256").update("postern master key id\0").update(bytes).digest();
  return {
    id: hash.subarray(0, keyIdEnd - 1),
    derive: (purpose) =>
      createSecretKey(new Uint8Array(hkdfSync("sha256", key, "", `postern sealing ${purpose}`, 32))),
  };
}

function additionalData(purpose: string, id: string): Buffer {
  return Buffer.from(JSON.stringify([purpose, id]));
}

function unknownMasterKey(purpose: string, id: string, keyId: Buffer): MasterKeyError {
  return new MasterKeyError(
    `the sealed ${purpose} ${id} needs the master key with the id ${keyId.toString("hex")}, which is not ` +
      "in POSTERN_MASTER_KEY; add it there (comma-separated; the first seals, all open)",
  );
}
