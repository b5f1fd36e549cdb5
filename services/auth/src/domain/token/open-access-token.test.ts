import { afterEach, describe, expect, test, vi } from "vitest";
import type { SigningKey } from "../ports/key-material.ts";
import { openAccessToken } from "./open-access-token.ts";

const header = { alg: "ES256", typ: "at+jwt", kid: "key_01h2xcejqtf2nbrexx3vqjhp41" };
const part = (text: string) => Buffer.from(text).toString("base64url");
const tokenOf = (payload: string) => `${part(JSON.stringify(header))}.${part(payload)}.${"A".repeat(86)}`;
const deep = `{"marked":${"[".repeat(2_900)}${"]".repeat(2_900)}}`;

afterEach(() => vi.restoreAllMocks());

/** A key ring with one key that accepts every signature or none. */
function ring(isRight: boolean, alg: "ES256" | "EdDSA" = "ES256") {
  const key = { alg, verify: () => isRight } as unknown as SigningKey;
  return { keyRing: { findSigningKey: async (kid: string) => (kid === header.kid ? key : undefined) } };
}

describe("the payload of a token", () => {
  test.each([
    ["with a wrong signature", ring(false)],
    ["with another algorithm", ring(true, "EdDSA")],
    ["with an unknown key", { keyRing: { findSigningKey: async () => undefined } }],
    ["that is nested too deep, despite a valid signature,", ring(true)],
  ])("%s is not parsed", async (_, deps) => {
    const parsed = vi.spyOn(JSON, "parse");
    expect(await openAccessToken(deps, tokenOf(deep))).toBeUndefined();
    expect(parsed.mock.calls.filter(([text]) => text.includes("marked"))).toEqual([]);
  });
});

test("a payload without claims is refused despite a valid signature", async () => {
  expect(await openAccessToken(ring(true), tokenOf('{"marked":1}'))).toBeUndefined();
});
