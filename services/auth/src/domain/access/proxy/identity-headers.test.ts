import fc from "fast-check";
import { expect, test } from "vitest";
import { foldedIdentityNames } from "../../../../../../test/support/clients/folded-names.ts";
import type { AccessTokenClaims } from "../../../../../client/src/core/claims.ts";
import {
  describeIdentity,
  identityHeaders,
  identitySpellings,
  looksLikeIdentity,
} from "./identity-headers.ts";

const claims = (more: Partial<AccessTokenClaims>) =>
  ({
    sub: "usr_1",
    sid: "ses_1",
    client_id: "web",
    scope: "a b",
    roles: ["x", "y"],
    ...more,
  }) as AccessTokenClaims;
const without = describeIdentity(undefined);

test("scopes are parted by spaces, roles by commas, and what there is not is empty", () => {
  expect(describeIdentity(claims({}))).toEqual({
    "x-postern-subject": "usr_1",
    "x-postern-client": "web",
    "x-postern-session": "ses_1",
    "x-postern-scope": "a b",
    "x-postern-roles": "x,y",
  });
  const { roles: _roles, ...none } = claims({ scope: "" });
  expect(describeIdentity(none)).toMatchObject({ "x-postern-scope": "", "x-postern-roles": "" });
  expect(Object.keys(without)).toEqual([...identityHeaders]);
  expect(Object.values(without)).toEqual(["", "", "", "", ""]);
});

test("an anonymous request never gets roles from Object.prototype", () => {
  Object.defineProperty(Object.prototype, "roles", { value: ["admin"], configurable: true });
  try {
    expect(describeIdentity(undefined)["x-postern-roles"]).toBe("");
  } finally {
    Reflect.deleteProperty(Object.prototype, "roles");
  }
});

test("I10: no value can end its header or pass for another: what is not visible ASCII is percent-encoded", () => {
  expect(describeIdentity(claims({ client_id: "mü ller%\r\nx: y", roles: ["a,b"] }))).toMatchObject({
    "x-postern-client": "m%C3%BC%20ller%25%0D%0Ax:%20y",
    "x-postern-roles": "a%2Cb",
  });
  const text = fc.string({ unit: "binary", minLength: 1 });
  fc.assert(
    fc.property(text, fc.array(text), (client_id, roles) => {
      const headers = describeIdentity(claims({ client_id, roles }));
      for (const value of Object.values(headers)) expect(value).toMatch(/^[ -~]*$/);
      expect(decodeURIComponent(headers["x-postern-client"])).toBe(client_id);
      const list = headers["x-postern-roles"].split(",").map(decodeURIComponent);
      expect(list).toEqual(roles.length === 0 ? [""] : roles);
    }),
  );
});

test("I10: every name that CGI maps into the namespace x-postern- is recognized", () => {
  expect(identitySpellings).toHaveLength(20);
  expect(new Set(identitySpellings).size).toBe(20);
  const names = [...identitySpellings, ...foldedIdentityNames, "X-Postern-Roles", "x postern~roles"];
  for (const name of names) expect(looksLikeIdentity(name), name).toBe(true);
  for (const name of [
    "x-postern",
    "x-posternroles",
    "xpostern-roles",
    "xx-postern-roles",
    "authorization",
    "",
  ]) {
    expect(looksLikeIdentity(name), name).toBe(false);
  }
});
