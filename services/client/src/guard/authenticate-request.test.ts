import { describe, expect, test, vi } from "vitest";
import type { VerifiedToken } from "../verifier/verifier.ts";
import { authenticateOptional, authenticateRequest, authorizationOf } from "./authenticate-request.ts";

const caller = { subject: "usr_1" } as VerifiedToken;

function setUp() {
  const verifier = { verify: vi.fn(async () => caller) };
  return { verifier, withCode: (code: string) => expect.objectContaining({ name: "PosternError", code }) };
}

describe("a credential is taken from", () => {
  test.each([
    ["Bearer abc.def-_~+/123=="],
    ["bearer abc.def-_~+/123=="],
    ["BEARER abc.def-_~+/123=="],
    ["Bearer   abc.def-_~+/123=="],
  ])("`%s`", async (authorization) => {
    const { verifier } = setUp();
    expect(await authenticateRequest(verifier, authorization)).toBe(caller);
    expect(await authenticateRequest(verifier, [authorization])).toBe(caller);
    expect(await authenticateOptional(verifier, authorization)).toBe(caller);
    expect(verifier.verify.mock.calls).toEqual([1, 2, 3].map(() => ["abc.def-_~+/123=="]));
  });
});

describe("I12: a malformed credential is refused, also if authentication is optional:", () => {
  test.each<[string | string[], string]>([
    ["", "ERR_TOKEN_MALFORMED"],
    ["Bearer", "ERR_TOKEN_MALFORMED"],
    ["Bearer ", "ERR_TOKEN_MALFORMED"],
    ["Bearer\tabc", "ERR_TOKEN_MALFORMED"],
    ["Bearer abc def", "ERR_TOKEN_MALFORMED"],
    ["Bearer abc ", "ERR_TOKEN_MALFORMED"],
    ["Bearer abc,Bearer def", "ERR_TOKEN_MALFORMED"],
    ["Bearer abc, Bearer def", "ERR_TOKEN_MALFORMED"],
    ["Bearer =abc", "ERR_TOKEN_MALFORMED"],
    ["Bearer äbc", "ERR_TOKEN_MALFORMED"],
    [" Bearer abc", "ERR_TOKEN_MALFORMED"],
    ["Bearer: abc", "ERR_TOKEN_MALFORMED"],
    [["Bearer abc", "Bearer abc"], "ERR_TOKEN_MALFORMED"],
    ["Basic YTpi", "ERR_CREDENTIAL_MISSING"],
    ["Bearers abc", "ERR_CREDENTIAL_MISSING"],
    ["abc", "ERR_CREDENTIAL_MISSING"],
  ])("%j", async (authorization, code) => {
    const { verifier, withCode } = setUp();
    await expect(authenticateRequest(verifier, authorization)).rejects.toEqual(withCode(code));
    await expect(authenticateOptional(verifier, authorization)).rejects.toEqual(withCode(code));
    expect(verifier.verify).not.toHaveBeenCalled();
  });
});

test.each([[undefined], [null], [[]]])(
  "without a credential (%j) it throws, or returns undefined if optional",
  async (authorization) => {
    const { verifier, withCode } = setUp();
    await expect(authenticateRequest(verifier, authorization)).rejects.toEqual(
      withCode("ERR_CREDENTIAL_MISSING"),
    );
    expect(await authenticateOptional(verifier, authorization)).toBeUndefined();
  },
);

test("no message contains any part of the credential", async () => {
  const { verifier } = setUp();
  for (const authorization of ["Bearer secret value", "Secret value", "Bearer sécret"]) {
    await expect(authenticateRequest(verifier, authorization)).rejects.not.toThrow(/s.cret/i);
  }
});

test("every `authorization` header counts, and no header with a similar name", () => {
  const rawHeaders = [
    "Host",
    "authorization",
    "Authorization",
    "Bearer a",
    "x",
    "y",
    "AUTHORIZATION",
    "Bearer b",
  ];
  expect(authorizationOf({ rawHeaders })).toEqual(["Bearer a", "Bearer b"]);
  expect(authorizationOf({ rawHeaders: ["authorization", ""] })).toEqual([""]);
  expect(authorizationOf({ rawHeaders: [] })).toEqual([]);
});
