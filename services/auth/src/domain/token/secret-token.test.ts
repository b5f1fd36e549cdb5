import { expect, test } from "vitest";
import { decodeOpaque } from "./opaque-token.ts";
import { newSecretToken } from "./secret-token.ts";

test("a secret token contains 32 bytes of the random source", () => {
  const token = newSecretToken((length) => Uint8Array.from({ length }, (_, i) => 255 - i));
  expect(decodeOpaque("st", token, 32)).toEqual(Uint8Array.from({ length: 32 }, (_, i) => 255 - i));
});
