import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SettingError } from "../error.ts";
import { parseMasterKeys } from "./master-keys.ts";

const key = (seed: number) => Uint8Array.from({ length: 32 }, (_, index) => (index * 7 + seed) % 256);
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

test("several keys keep their order", () => {
  expect(parseMasterKeys([key(1), key(2)].map(base64).join(","))).toEqual([key(1), key(2)]);
});

test("any 32 bytes that are not all the same are a key", () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter((it) => new Set(it).size > 1);
  fc.assert(
    fc.property(bytes, (it) => {
      expect(parseMasterKeys(base64(it))).toEqual([Uint8Array.from(it)]);
    }),
  );
});

describe("J15: no secret, or a poor one", () => {
  test.each([
    ["empty", ""],
    ["31 bytes", base64(key(1).subarray(1))],
    ["33 bytes", base64(new Uint8Array([1, ...key(1)]))],
    ["all zero", base64(new Uint8Array(32))],
    ["one byte repeated", base64(new Uint8Array(32).fill(65))],
    ["unpadded", base64(key(1)).slice(0, -1)],
    ["hexadecimal", Buffer.from(key(1)).toString("hex")],
    ["with a character that is no base64", `${base64(key(1)).slice(0, 10)}!${base64(key(1)).slice(10)}`],
    ["not in canonical form", base64(key(1)).replace(/.=$/, "B=")],
    ["with a space after the comma", `${base64(key(1))}, ${base64(key(2))}`],
    ["one key twice", `${base64(key(1))},${base64(key(2))},${base64(key(1))}`],
    ["an empty key at the end", `${base64(key(1))},`],
  ])("%s is refused, and not repeated in the error", (_, text) => {
    const parse = () => parseMasterKeys(text);
    expect(parse).toThrow(SettingError);
    if (text !== "") expect(parse).not.toThrow(text);
  });
});
