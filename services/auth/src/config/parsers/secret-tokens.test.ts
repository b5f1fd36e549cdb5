import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { permissions } from "../../domain/caller/permission.ts";
import { sha256Of } from "../../lib/sha256.ts";
import { SettingError } from "../error.ts";
import { parseSecretTokens, toSecretToken } from "./secret-tokens.ts";

const token = "0123456789-0123456789-0123456789";
const other = "abcdefghij-abcdefghij-abcdefghij";
const web = { name: "web", token, permissions: ["login"] };
const parse = (...entries: unknown[]) => parseSecretTokens(JSON.stringify(entries));

describe("entries", () => {
  test("hold the digest of their token", () => {
    const sha256 = Buffer.from(sha256Of(token)).toString("hex");
    const { token: _, ...rest } = web;
    expect(parse(web)).toEqual(parse({ ...rest, sha256 }));
    expect(parse({ ...rest, sha256: sha256.toUpperCase() })[0]?.sha256).toEqual(sha256Of(token));
  });

  test("without maxima may ask for no scope, the default audience and their own client id", () => {
    const [entry] = parse(web).map((it) => toSecretToken(it, "api"));
    expect(entry?.caller).toEqual({
      name: "web",
      permissions: new Set(["login"]),
      scopes: new Set(),
      audiences: new Set(["api"]),
      clients: new Set(["web"]),
      trustedAddress: false,
    });
    expect(parse(web).map((it) => toSecretToken(it, undefined).caller.audiences)).toEqual([new Set()]);
  });

  test("with maxima may ask for those alone", () => {
    const maxima = { scopes: ["read"], audiences: ["*"], clients: [], trusted_address: true };
    const [entry] = parse({ ...web, ...maxima }).map((it) => toSecretToken(it, "api"));
    expect(entry?.caller).toMatchObject({
      scopes: new Set(["read"]),
      audiences: new Set(["*"]),
      clients: new Set(),
      trustedAddress: true,
    });
  });

  test("with the permission `*` have every one", () => {
    expect(parse({ ...web, permissions: ["*"] })[0]?.permissions).toEqual(permissions);
  });

  test("may have two entries for one name with the same rights, in any order", () => {
    const rights = { permissions: ["login", "introspect"], scopes: ["a", "b"] };
    const swapped = { permissions: ["introspect", "login"], scopes: ["b", "a"] };
    expect(parse({ ...web, ...rights }, { ...web, ...swapped, token: other })).toHaveLength(2);
  });
});

describe("J15: refused, with the place and without the token", () => {
  test.each<[string, unknown[], RegExp]>([
    ["an unknown member", [{ ...web, scope: ["a"] }], /^\[0\] has an unknown member/],
    ["a token in a member's name", [{ ...web, [other]: 1 }], /^\[0\] has an unknown member/],
    ["no object", [web, token], /^\[1\] write an object/],
    ["no name", [{ ...web, name: undefined }], /^\[0\]\.name/],
    ["a name with a space", [{ ...web, name: "a b" }], /^\[0\]\.name/],
    ["a short token", [{ ...web, token: token.slice(1) }], /^\[0\]\.token write 32 characters/],
    ["31 characters of two units each", [{ ...web, token: `${"😀".repeat(30)}a` }], /^\[0\]\.token/],
    ["an empty token", [{ ...web, token: "" }], /^\[0\]\.token/],
    ["one character repeated", [{ ...web, token: "x".repeat(40) }], /^\[0\]\.token is one character/],
    ["neither token nor digest", [{ ...web, token: undefined }], /^\[0\] write either/],
    ["both token and digest", [{ ...web, sha256: "0".repeat(64) }], /^\[0\] write either/],
    ["a bad digest", [{ ...web, token: undefined, sha256: token }], /^\[0\]\.sha256/],
    [
      "an unknown permission",
      [{ ...web, permissions: ["login", token] }],
      /^\[0\]\.permissions\[1\] is not a perm/,
    ],
    ["no permission", [{ ...web, permissions: [] }], /^\[0\]\.permissions/],
    ["permissions left out", [{ ...web, permissions: undefined }], /^\[0\]\.permissions/],
    ["`*` with a permission", [{ ...web, permissions: ["*", "login"] }], /^\[0\]\.permissions `\*`/],
    ["`*` with a scope", [{ ...web, scopes: ["a", "*"] }], /^\[0\]\.scopes `\*`/],
    ["`*` with an audience", [{ ...web, audiences: ["*", "a"] }], /^\[0\]\.audiences `\*`/],
    ["`*` with a client", [{ ...web, clients: ["*", "a"] }], /^\[0\]\.clients `\*`/],
    ["a text for a list", [{ ...web, scopes: "a" }], /^\[0\]\.scopes write a list/],
    ["null for a list", [{ ...web, clients: null }], /^\[0\]\.clients write a list/],
    ["a scope with a space", [{ ...web, scopes: ["a b"] }], /^\[0\]\.scopes\[0\]/],
    ["a scope twice", [{ ...web, scopes: ["a", "a"] }], /^\[0\]\.scopes has a value twice/],
    ["a word for a truth value", [{ ...web, trusted_address: "yes" }], /^\[0\]\.trusted_address/],
    ["null for a truth value", [{ ...web, trusted_address: null }], /^\[0\]\.trusted_address/],
    ["one token in two entries", [web, { ...web, name: "b" }], /^\[1\] has the same token as \[0\]/],
    [
      "one name with other rights",
      [web, { ...web, token: other, scopes: ["a"] }],
      /^\[1\]\.name is used twice/,
    ],
    [
      "one name three times",
      [web, ...[other, other + other].map((it) => ({ ...web, token: it }))],
      /^\[2\]\.name/,
    ],
  ])("%s", (_, entries, message) => {
    const attempt = () => parse(...entries);
    expect(attempt).toThrow(SettingError);
    expect(attempt).toThrow(message);
    for (const secret of [token, token.slice(1), other]) expect(attempt).not.toThrow(secret);
  });

  test.each([
    ["the permissions", '"permissions":["introspect"],"permissions":["*"]'],
    ["the token", `"permissions":["login"],"token":"${other}"`],
    ["a name in another spelling", '"permissions":["login"],"n\\u0061me":"b"'],
    ["the same value", '"permissions":["login"],"permissions":["login"]'],
  ])("a member that occurs twice is refused: %s", (_, members) => {
    const attempt = () =>
      parseSecretTokens(`[{"name":"a","token":"${other}x","permissions":["login"]},
        {"name":"web","token":"${token}",${members}}]`);
    expect(attempt).toThrow(SettingError);
    expect(attempt).toThrow(/^\[1\] has a member that occurs twice; remove one$/);
  });

  test("the digest of nothing", () => {
    const sha256 = Buffer.from(sha256Of("")).toString("hex");
    expect(() => parse({ name: "web", sha256, permissions: ["login"] })).toThrow(/empty token/);
  });

  test("the example of docs/reference/configuration.md is complete except for its digest", () => {
    const page = readFileSync(
      `${import.meta.dirname}/../../../../../docs/reference/configuration.md`,
      "utf8",
    );
    const [, example = ""] = /```json\n(\[.*?)```/s.exec(page) ?? [];
    expect(() => parseSecretTokens(example)).toThrow(/^\[0\]\.sha256/);
    expect(() => parseSecretTokens(example.replace(/<.*>/, "0".repeat(64)))).not.toThrow();
  });

  test("any text that is no list of objects, without a word of it", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        expect(() => parseSecretTokens(`${token}${text}`)).toThrow(/^is not JSON$/);
      }),
    );
    expect(() => parseSecretTokens(JSON.stringify(web))).toThrow(/^write a JSON list/);
  });
});
