import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { base62Width, decodeBase62, encodeBase62 } from "./base62.ts";

describe("base62", () => {
  test("is big-endian and of fixed width", () => {
    expect(encodeBase62(Uint8Array.of(0, 0, 0, 0))).toBe("000000");
    expect(encodeBase62(Uint8Array.of(0, 0, 0, 61))).toBe("00000z");
    expect(encodeBase62(Uint8Array.of(0, 0, 0, 62))).toBe("000010");
    expect(encodeBase62(Uint8Array.of(255, 255, 255, 255))).toBe("4gfFC3");
  });

  test("comes back as it was", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), (bytes) => {
        const text = encodeBase62(bytes);
        expect(text).toHaveLength(base62Width(bytes.length));
        expect(decodeBase62(text, bytes.length)).toEqual(bytes);
      }),
    );
  });

  test("has one text for each value: what decodes is what would be encoded", () => {
    const digit = fc.constantFrom(..."09AZaz");
    fc.assert(
      fc.property(fc.array(digit, { minLength: 6, maxLength: 6 }), (digits) => {
        const bytes = decodeBase62(digits.join(""), 4);
        if (bytes !== undefined) expect(encodeBase62(bytes)).toBe(digits.join(""));
      }),
    );
  });

  test.each([
    ["one above the greatest value", "4gfFC4"],
    ["the greatest number of that width", "zzzzzz"],
    ["too short", "00000"],
    ["too long, with a leading zero", "0000001"],
    ["a character of base64url", "0000-0"],
    ["a space", "00000 "],
    ["a letter beyond ASCII", "00000é"],
    ["empty", ""],
  ])("refuses %s", (_, text) => {
    expect(decodeBase62(text, 4)).toBeUndefined();
  });
});
