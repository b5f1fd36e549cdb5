import { describe, expect, test } from "vitest";
import { MasterKeyError } from "../domain/ports/key-material.ts";
import { masterKey, otherMasterKey } from "./key-material.fixture.ts";
import { createSealer } from "./sealing.ts";

const secret = new TextEncoder().encode("the secret part");
const sealer = createSealer([masterKey]);
const blob = sealer.seal("signing key", "id-1", secret);

describe("createSealer", () => {
  test("opens what it sealed, and an empty secret too", () => {
    expect(sealer.open("signing key", "id-1", blob)).toEqual(secret);
    expect(sealer.open("p", "i", sealer.seal("p", "i", new Uint8Array()))).toEqual(new Uint8Array());
  });

  test("seals the same secret differently each time, and contains none of it", () => {
    expect(sealer.seal("signing key", "id-1", secret)).not.toEqual(blob);
    expect(Buffer.from(blob).includes(Buffer.from(secret))).toBe(false);
    expect(Buffer.from(blob).includes(Buffer.from(masterKey.subarray(0, 8)))).toBe(false);
  });

  test.each([
    ["another id", "signing key", "id-2"],
    ["another purpose", "refresh key", "id-1"],
    ["the border between them moved", "signing keyid", "-1"],
  ])("does not open for %s", (_, purpose, id) => {
    expect(() => sealer.open(purpose, id, blob)).toThrow(MasterKeyError);
  });

  test("does not open where any bit was changed", () => {
    for (let bit = 0; bit < blob.length * 8; bit++) {
      const changed = Uint8Array.from(blob);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => sealer.open("signing key", "id-1", changed)).toThrow(MasterKeyError);
    }
  });

  test("does not open where it was truncated", () => {
    for (let length = 0; length < blob.length; length++) {
      expect(() => sealer.open("signing key", "id-1", blob.subarray(0, length))).toThrow(MasterKeyError);
    }
  });

  test("a new master key is added last, then put first", () => {
    const added = createSealer([masterKey, otherMasterKey]);
    const turned = createSealer([otherMasterKey, masterKey]);
    const later = turned.seal("signing key", "id-1", secret);

    expect(turned.open("signing key", "id-1", blob)).toEqual(secret);
    expect(added.open("signing key", "id-1", later)).toEqual(secret);
    expect(() => sealer.open("signing key", "id-1", later)).toThrow(MasterKeyError);
  });

  test("says which master key is missing and what to do, and shows none", () => {
    const message = messageOf(() => createSealer([otherMasterKey]).open("signing key", "id-1", blob));

    expect(message).toContain(Buffer.from(blob.subarray(1, 9)).toString("hex"));
    expect(message).toContain("add it");
    for (const key of [masterKey, otherMasterKey]) {
      const bytes = Buffer.from(key);
      for (const form of ["hex", "base64", "latin1"] as const) {
        expect(message).not.toContain(bytes.subarray(0, 6).toString(form));
      }
    }
  });

  test.each([[[]], [[new Uint8Array(31)]], [[masterKey, new Uint8Array(33)]], [[new Uint8Array()]]])(
    "is not made without master keys of 32 bytes (%#)",
    (keys) => expect(() => createSealer(keys)).toThrow(RangeError),
  );
});

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it did not throw");
}
