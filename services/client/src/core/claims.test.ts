import { describe, expect, test } from "vitest";
import { compact, header, issuedAt, payload } from "./access-token.fixture.ts";
import { parseAccessToken } from "./access-token.ts";
import { type AccessTokenClaims, checkClaims, clockSkewSeconds, readClaims } from "./claims.ts";

const issuer = payload.iss;
const now = issuedAt + 100;
const claimsOf = (changes: Partial<AccessTokenClaims>): AccessTokenClaims => ({ ...payload, ...changes });
const withCode = (code: string) => expect.objectContaining({ name: "PosternError", code });
const check = (changes: Partial<AccessTokenClaims>, audience?: string[], nowSeconds = now) =>
  expect(() => checkClaims(claimsOf(changes), { issuer, audience, nowSeconds }));

describe("readClaims", () => {
  const refuses = (changes: Record<string, unknown>) => {
    expect(() => readClaims({ ...payload, ...changes })).toThrow(withCode("ERR_TOKEN_MALFORMED"));
  };

  test.each(Object.keys(payload))("requires %s", (name) => {
    const rest: Record<string, unknown> = { ...payload };
    delete rest[name];
    expect(() => readClaims(rest)).toThrow(`\`${name}\``);
  });

  test("A20 reads no claim from a prototype", () => {
    expect(() => readClaims(Object.create(payload))).toThrow(withCode("ERR_TOKEN_MALFORMED"));
    expect(readClaims(Object.assign(Object.create({ roles: ["admin"] }), payload))).not.toHaveProperty(
      "roles",
    );
  });

  test.each(["exp", "iat", "nbf", "auth_time", "rev"])("accepts %s only as an integer", (name) => {
    for (const value of [-1, 1.5, 2 ** 53, 1e20, Number.NaN, "1790000000", null, true, [1]]) {
      refuses({ [name]: value });
    }
  });

  test.each([
    [{}],
    [1],
    [""],
    ["u".repeat(1_048_576)],
    [null],
    ["usr_"],
    ["root"],
    [payload.sid],
    [[payload.sub]],
  ])("B06 sub %j", (sub) => refuses({ sub }));

  test.each(["jti", "sid"])("B06 %s of another kind or form", (name) => {
    for (const value of [payload.sub, "", 1, {}, `${String(payload[name as "jti"])}0`])
      refuses({ [name]: value });
    refuses({ [name]: String(payload[name as "jti"]).toUpperCase() });
  });

  test.each([[""], ["c".repeat(511)], ["\ud800"], [1], [null], [["shop"]]])(
    "B06 client_id %j",
    (client_id) => {
      refuses({ client_id });
    },
  );

  test.each([["orders"], [[]], [[""]], [[1]], [{ 0: "orders", length: 1 }], [[["orders"]]], [null]])(
    "refuses aud %j",
    (aud) => refuses({ aud }),
  );

  test.each(["", "a", "a b", "!#[]~ x:y"])("accepts scope %j", (scope) => {
    expect(readClaims({ ...payload, scope }).scope).toBe(scope);
  });

  test.each([[" "], ["a "], [" a"], ["a  b"], ['a"'], ["a\\b"], ["a\tb"], ["é"], [["a"]], [null]])(
    "refuses scope %j",
    (scope) => refuses({ scope }),
  );

  test("reads roles if there are any, and only as a list of strings", () => {
    expect(readClaims({ ...payload, roles: ["admin"] }).roles).toEqual(["admin"]);
    expect(readClaims(payload)).not.toHaveProperty("roles");
    for (const roles of ["admin", null, undefined, [1], [""], {}]) refuses({ roles });
    for (const amr of ["pwd", null, [1]]) refuses({ amr });
  });
});

describe("checkClaims", () => {
  test("accepts a valid token", () => {
    check({}).not.toThrow();
    check({}, ["billing"]).not.toThrow();
    check({}, ["stock", "orders"]).not.toThrow();
  });

  test("refuses a token for another audience", () => {
    for (const audience of [[], ["stock"], ["order"], ["Orders"], ["orders billing"]]) {
      check({}, audience).toThrow(withCode("ERR_TOKEN_INVALID"));
    }
  });

  test("B02 one skew for exp and nbf", () => {
    expect(clockSkewSeconds).toBeLessThanOrEqual(15);
    check({ nbf: now + 8 }).not.toThrow();
    check({ nbf: now + 60 }).toThrow(withCode("ERR_TOKEN_INVALID"));
    check({ exp: now - 5 }).not.toThrow();
    check({ exp: now - 60 }).toThrow(withCode("ERR_TOKEN_EXPIRED"));
  });

  test("B02 the skew is exact to the second", () => {
    check({ nbf: now + clockSkewSeconds }).not.toThrow();
    check({ nbf: now + clockSkewSeconds + 1 }).toThrow(withCode("ERR_TOKEN_INVALID"));
    check({}, undefined, payload.exp + clockSkewSeconds - 0.001).not.toThrow();
    check({}, undefined, payload.exp + clockSkewSeconds).toThrow(withCode("ERR_TOKEN_EXPIRED"));
  });

  test("B03 issued in the future", () => {
    check({ iat: now + 8, exp: now + 300 }).not.toThrow();
    check({ iat: now + clockSkewSeconds + 1, exp: now + 300 }).toThrow(withCode("ERR_TOKEN_INVALID"));
    check({ iat: now + 3600, exp: now + 3900 }).toThrow(withCode("ERR_TOKEN_INVALID"));
  });

  test("refuses a lifetime that is zero or too long", () => {
    check({ exp: issuedAt + 3600 }).not.toThrow();
    check({ exp: issuedAt + 3601 }).toThrow(withCode("ERR_TOKEN_INVALID"));
    check({ exp: issuedAt }).toThrow(withCode("ERR_TOKEN_INVALID"));
    check({ exp: Number.MAX_SAFE_INTEGER }).toThrow(withCode("ERR_TOKEN_INVALID"));
  });

  test("refuses if the time is not a number", () => {
    check({}, undefined, Number.NaN).toThrow(withCode("ERR_TOKEN_INVALID"));
  });

  test.each([
    "https://auth.example.com/",
    "https://AUTH.example.com",
    "HTTPS://auth.example.com",
    "https://auth.example",
    "https://auth.example.com.evil.org",
    "http://auth.example.com",
    " https://auth.example.com",
    "",
  ])("B05 iss %j", (iss) => {
    check({ iss }).toThrow(withCode("ERR_TOKEN_INVALID"));
  });

  test.each([[[issuer]], [{}], [1], [null], [""]])("B05 iss %j is malformed", (iss) => {
    expect(() => parseAccessToken(compact(header, { ...payload, iss }))).toThrow(
      withCode("ERR_TOKEN_MALFORMED"),
    );
  });
});
