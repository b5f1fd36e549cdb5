import { SettingError } from "../error.ts";

const how = "make one with `openssl rand -base64 32`";

/** Comma-separated keys of 32 bytes in canonical base64 (RFC 4648 section 4); the first seals, all open. */
export function parseMasterKeys(text: string): readonly Uint8Array[] {
  const keys = text.split(",").map(parseMasterKey);
  keys.forEach((key, index) => {
    const first = keys.findIndex((other) => Buffer.compare(other, key) === 0);
    if (first !== index)
      throw new SettingError(`keys ${first + 1} and ${index + 1} are the same; leave one out`);
  });
  return keys;
}

function parseMasterKey(text: string, index: number): Uint8Array {
  const key = Buffer.from(text, "base64");
  // Node skips what is not base64, so that a damaged key would become another, valid one.
  if (key.length !== 32 || key.toString("base64") !== text) {
    throw new SettingError(`key ${index + 1} is not 32 bytes in base64; ${how}`);
  }
  if (key.every((byte) => byte === key[0])) {
    throw new SettingError(`key ${index + 1} is one byte repeated, not a secret; ${how}`);
  }
  return new Uint8Array(key);
}
