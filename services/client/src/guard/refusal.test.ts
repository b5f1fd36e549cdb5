import { expect, test } from "vitest";
import { type ErrorCode, PosternError } from "../core/postern-error.ts";
import type { VerifiedToken } from "../verifier/verifier.ts";
import { checkScopeNames, demandCaller, demandScope } from "./demands.ts";
import { refusalOf } from "./refusal.ts";

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test.each<[ErrorCode, number, Record<string, string>]>([
  ["ERR_CREDENTIAL_MISSING", 401, { "www-authenticate": 'Bearer realm="postern"' }],
  ["ERR_TOKEN_MALFORMED", 401, { "www-authenticate": 'Bearer error="invalid_token"' }],
  ["ERR_TOKEN_INVALID", 401, { "www-authenticate": 'Bearer error="invalid_token"' }],
  ["ERR_TOKEN_EXPIRED", 401, { "www-authenticate": 'Bearer error="invalid_token"' }],
  ["ERR_TOKEN_REVOKED", 401, { "www-authenticate": 'Bearer error="invalid_token"' }],
  ["ERR_KEY_UNKNOWN", 401, { "www-authenticate": 'Bearer error="invalid_token"' }],
  ["ERR_SCOPE_INSUFFICIENT", 403, { "www-authenticate": 'Bearer error="insufficient_scope"' }],
  ["ERR_FEED_STALE", 503, { "retry-after": "1" }],
  ["ERR_UNAVAILABLE", 503, { "retry-after": "1" }],
])("%s is %i", (code, status, headers) => {
  const body = { code, message: "a message" };
  expect(refusalOf(new PosternError(code, "a message"))).toEqual({ status, headers, body });
});

test.each([
  ["of a token source", new PosternError("ERR_SESSION_ENDED", "over")],
  ["of a token source", new PosternError("ERR_LOGIN_REFUSED", "no")],
  ["of another kind", new TypeError("x is not a function")],
  ["that is none", "text"],
])("an error %s does not concern the request", (_, error) => {
  expect(refusalOf(error)).toBeUndefined();
});

test("a missing scope is named, and every scope is required", () => {
  const caller = { scope: ["orders.read", "orders"] };
  demandScope(caller, "orders.read");
  demandScope(caller, "orders", "orders.read");
  const error = thrownBy(() => demandScope(caller, "orders.read", "orders.write"));
  expect(error).toMatchObject({ code: "ERR_SCOPE_INSUFFICIENT", scope: ["orders.read", "orders.write"] });
  expect(refusalOf(error)).toMatchObject({
    status: 403,
    headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="orders.read orders.write"' },
  });
});

test.each([[[]], [["a b"]], [['a"b']], [["a\r\nb"]], [[""]]])(
  "scopes that are none are a mistake: %j",
  (scope) => {
    expect(() => checkScopeNames(scope)).toThrow(TypeError);
  },
);

test("without a caller, the credential is missing", () => {
  const caller = { subject: "usr_1" } as VerifiedToken;
  expect(demandCaller(caller)).toBe(caller);
  expect(thrownBy(() => demandCaller(undefined))).toMatchObject({ code: "ERR_CREDENTIAL_MISSING" });
});
