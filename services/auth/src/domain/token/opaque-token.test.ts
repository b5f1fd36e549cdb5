import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeBase62 } from "../../lib/base62.ts";
import { crc32Of } from "../../lib/crc32.ts";
import { decodeOpaque, encodeOpaque, type OpaqueKind, opaqueKindOf } from "./opaque-token.ts";

const kinds: OpaqueKind[] = ["rt", "st", "at", "ac", "dv"];
const body = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
const withChecksum = (text: string) => text + encodeBase62(crc32Of(text));

describe("opaque tokens", () => {
  test("have the form of the contract", () => {
    expect(encodeOpaque("st", body)).toMatch(/^ptn_st_[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/);
    expect(encodeOpaque("st", new Uint8Array(32))).toBe(withChecksum(`ptn_st_${"0".repeat(43)}`));
  });

  test("decode to the body that was encoded", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.uint8Array({ minLength: 32, maxLength: 64 }),
        (kind, bytes) => {
          const text = encodeOpaque(kind, bytes);
          expect(decodeOpaque(kind, text, bytes.length)).toEqual(bytes);
          expect(opaqueKindOf(text)).toBe(kind);
        },
      ),
    );
  });

  test("C13 a token of one kind does not decode as another kind", () => {
    for (const made of kinds) {
      for (const asked of kinds) {
        const found = decodeOpaque(asked, encodeOpaque(made, body), body.length);
        expect(found).toEqual(made === asked ? body : undefined);
      }
    }
  });

  test("A25 every truncated token is refused", () => {
    const text = encodeOpaque("st", body);
    for (let length = 0; length < text.length; length++) {
      expect(decodeOpaque("st", text.slice(0, length), body.length)).toBeUndefined();
    }
  });

  test("a body of another length is refused", () => {
    const text = encodeOpaque("st", body);
    expect(decodeOpaque("st", text, 31)).toBeUndefined();
    expect(decodeOpaque("st", text, 33)).toBeUndefined();
    expect(decodeOpaque("st", `${text}0`, 32)).toBeUndefined();
    expect(decodeOpaque("st", ` ${text}`, 32)).toBeUndefined();
  });

  test.each([
    ["a number too large for its bytes", "z".repeat(43)],
    ["a character outside the alphabet", `${"0".repeat(42)}-`],
    ["a letter outside ASCII", `${"0".repeat(42)}é`],
  ])("%s is refused despite a valid checksum", (_, digits) => {
    expect(decodeOpaque("st", withChecksum(`ptn_st_${digits}`), 32)).toBeUndefined();
  });
});
