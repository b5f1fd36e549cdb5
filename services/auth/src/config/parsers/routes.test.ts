import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SettingError } from "../error.ts";
import { parseRoutes } from "./routes.ts";

const entry = (fields: string) => `- path: /a\n  auth: required\n  ${fields}\n`;
const faultOf = (text: string): string => {
  try {
    parseRoutes(text);
    return "none";
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    return error.message;
  }
};

test("an entry with all its fields, and one with what it needs", () => {
  const text = `
# The whole shop, for callers with the scope.
- host: shop.example.com
  path: /orders/*
  methods: [GET, M-SEARCH]
  auth: required
  scopes: [orders.read, orders:list]
  audiences: [https://api.example.com]
- path: /health
  auth: public
`;
  expect(parseRoutes(text)).toEqual([
    {
      host: "shop.example.com",
      path: "/orders/*",
      methods: new Set(["GET", "M-SEARCH"]),
      auth: "required",
      scopes: ["orders.read", "orders:list"],
      audiences: ["https://api.example.com"],
    },
    {
      host: undefined,
      path: "/health",
      methods: undefined,
      auth: "public",
      scopes: [],
      audiences: undefined,
    },
  ]);
});

test("the example of docs/guide/proxies.md", () => {
  const page = readFileSync(`${import.meta.dirname}/../../../../../docs/guide/proxies.md`, "utf8");
  const [, example = ""] = /```yaml\n(.*?)```/s.exec(page) ?? [];
  expect(parseRoutes(example).map(({ path }) => path)).toEqual([
    "/health",
    "/*",
    "/orders/*",
    "/orders/*",
    "/*",
  ]);
});

test.each([
  ["nothing", "", "write a YAML list"],
  ["a mapping", "routes: []", "write a YAML list"],
  ["no entry", "[]", "the list is empty"],
  ["two documents", "- {path: /a, auth: public}\n---\n- {path: /b, auth: public}", "MULTIPLE_DOCS"],
  ["no YAML", "- path: [", "is not plain YAML at line 1"],
  [
    "a field twice",
    "- path: /a\n  path: /b\n  auth: public",
    "is not plain YAML at line 2, column 3 (DUPLICATE_KEY)",
  ],
  ["a tag", "- path: !x /a\n  auth: public", "has a tag at line 1, column"],
  ["a tag of YAML 1.1", "- path: !!binary L2E=\n  auth: public", "has a tag at line 1, column"],
  ["a set", "- path: /a\n  auth: public\n  methods: !!set {GET: null}", "has a tag at line 3, column"],
  ["a set for an entry", "- !!set {path: /a, auth: public}", "has a tag at line 1, column"],
  ["an ordered map", "!!omap\n- path: /a\n- auth: public", "has a tag at line 2, column 1"],
  ["a function", "- path: !!js/function 'x'\n  auth: public", "has a tag at line 1, column"],
  ["a redundant tag", "- path: /a\n  auth: !!str public", "has a tag at line 2, column"],
  ["a tag of the list", "!!seq [{path: /a, auth: public}]", "has a tag at line 1, column"],
  ["a tag of an entry", "- !!map {path: /a, auth: public}", "has a tag at line 1, column"],
  ["a tag of a key", "- path: /a\n  !!str auth: public", "has a tag at line 2, column"],
  ["a tag in a list", entry("methods: [!!str GET]"), "has a tag at line 3, column"],
  ["a tag that names no type", "- path: /a\n  auth: ! public", "has a tag at line 2, column"],
  ["a tag in full", "- path: /a\n  auth: !<tag:yaml.org,2002:str> public", "has a tag at line 2, column"],
  [
    "a tag with a declared handle",
    "%TAG !e! tag:yaml.org,2002:\n---\n- path: !e!str /a",
    "has a tag at line 3, column",
  ],
  ["an anchor", "- path: &x /a\n  auth: public", "has an anchor or alias at line 1, column"],
  ["an anchor of an entry", "- &x {path: /a, auth: public}", "has an anchor or alias at line 1, column"],
  [
    "YAML 1.1's words for true",
    "%YAML 1.1\n---\n- path: /a\n  auth: public\n  scopes: yes",
    "not a list of scopes",
  ],
  ["an alias", "- {path: /a, auth: public}\n- *a", "has an anchor or alias at line 2, column 3"],
  ["a merge", "- &a {path: /a, auth: public}\n- <<: *a", "has an anchor or alias"],
  [
    "a merge of what is written out",
    "- <<: {path: /a}\n  auth: public",
    "entry 1 (line 1) has an unknown field",
  ],
  ["a key that is a list", "- [path]: /a\n  auth: public", "is not plain YAML"],
  ["an entry that is a word", "- /a", "entry 1 (line 1) is not a mapping"],
  ["an empty entry", "-", "entry 1 (line 1) is not a mapping"],
  ["an unknown field", entry("scope: [a]"), "entry 1 (line 1) has an unknown field; there are host, path"],
  ["a prototype", entry("__proto__: {auth: public}"), "has an unknown field"],
  ["no path", "- auth: public", "needs `path`"],
  ["no auth", "- path: /a", "needs `auth`: write `required`, `optional`, `public`"],
  ["auth in upper case", "- path: /a\n  auth: Public", "needs `auth`"],
  ["auth that is a list", "- path: /a\n  auth: [public]", "needs `auth`"],
  ["a path that is a number", "- path: 5\n  auth: public", "needs text for `path`"],
  ["auth that is a boolean", "- path: /a\n  auth: true", "needs text for `auth`"],
  ["an audience that is a number", entry("audiences: [1e3]"), "needs text for `audiences`"],
  ["a scope that is a boolean", entry("scopes: [true]"), "needs text for `scopes`"],
  ["a host with a decimal point", entry("host: 1.10"), "needs text for `host`"],
  ["a host that is a hexadecimal number", entry("host: 0x7f"), "needs text for `host`"],
  ["an IPv6 host without quotes", entry("host: [::1]"), "put an IPv6 address in brackets and quotes"],
  ["YAML 1.1's word for false", entry("methods: [no]"), "has `methods` that are not a list of methods"],
  ["a path without its slash", "- path: a\n  auth: public", "needs `path`"],
  ["the path of every request, as servers write it", "- path: '*'\n  auth: public", "needs `path`"],
  ["a host that is a number", entry("host: 5"), "needs text for `host`"],
  ["a host with a port", entry("host: a.example:80"), "has a `host`"],
  ["a host in upper case", entry("host: A.example"), "has a `host`"],
  ["a host with its final dot", entry("host: a.example."), "has a `host`"],
  ["a host as one number", entry("host: '2130706433'"), "address in an unusual spelling"],
  ["a host with a hexadecimal number", entry("host: 0x7f.0.0.1"), "address in an unusual spelling"],
  ["a host with a leading zero", entry("host: 127.0.0.01"), "address in an unusual spelling"],
  ["a host of five numbers", entry("host: 1.2.3.4.5"), "address in an unusual spelling"],
  ["a mapped host", entry("host: '[::ffff:127.0.0.1]'"), "address in an unusual spelling"],
  ["a long IPv6 host", entry("host: '[0:0:0:0:0:0:0:1]'"), "address in an unusual spelling"],
  ["a host for many", entry("host: '*.example'"), "has a `host`"],
  ["a host that is nothing", entry("host:"), "needs text for `host`"],
  ["a method alone", entry("methods: GET"), "has `methods` that are not a list of methods"],
  ["a method in lower case", entry("methods: [get]"), "has `methods`"],
  ["no method", entry("methods: []"), "has an empty list of `methods`"],
  ["a method twice", entry("methods: [GET, GET]"), "has a value twice in `methods`"],
  ["a method that is nothing", entry("methods: [GET, ~]"), "needs text for `methods`"],
  ["scopes in one word", entry("scopes: a b"), "has `scopes`"],
  ["two scopes in one", entry("scopes: [a b]"), "has `scopes`"],
  ["no scope", entry("scopes: []"), "has an empty list of `scopes`"],
  ["a scope that is a number", entry("scopes: [1]"), "needs text for `scopes`"],
  ["every audience", entry("audiences: ['*']"), "has `*` in `audiences`"],
  ["no audience", entry("audiences: []"), "has an empty list of `audiences`"],
  ["an audience that is a list", entry("audiences: [[a]]"), "has `audiences`"],
  ["scopes on a public route", "- path: /a\n  auth: public\n  scopes: [a]", "is public"],
  ["audiences on a public route", "- path: /a\n  auth: public\n  audiences: [a]", "is public"],
  ["scopes that one need not have", "- path: /a\n  auth: optional\n  scopes: [a]", "write `auth: required`"],
  ["a secret in the wrong place", "hunter2", "write a YAML list"],
])("O14: %s is refused", (_, text, fault) => {
  expect(faultOf(text)).toContain(fault);
  expect(faultOf(text)).not.toContain("hunter2");
});

test.each([
  ...[
    "/a//b",
    "/./a",
    "/a/..",
    "/a/../b",
    "/a;b",
    "/a%2fb",
    "/%2e%2e/a",
    "/a%5Cb",
    "/a%25b",
    "/a\\b",
    "/a%00",
  ],
  ...[
    "/a?b",
    "/a#b",
    "/a%3Fb",
    "/a b",
    "/ä",
    "/a%zz",
    "/a%C0%AF",
    "/*/a",
    "/**",
    "/a/../*",
    "/a//*",
    "/a::$*",
    "/a%EF%BC%9B*",
    "/a%2*",
  ],
])("O14: a route to %j is refused: no request can be one to it", (path) => {
  const text = JSON.stringify([{ path, auth: "public" }]);
  expect(faultOf(text)).toMatch(/^entry 1 \(line 1\) has a `path` that no request can have/);
});

test.each([
  "/",
  "/*",
  "/a*",
  "/.well-known/*",
  "/.*",
  "/a/..b",
  "/%C3%A9/x%20y",
  "/tel/+*",
  "/%E4%BD%95%EF%BC%9F",
  "/@a,(b)='c'&d+e~f!$:",
  "/A/",
])("a route may lead to %s", (path) => {
  expect(parseRoutes(JSON.stringify([{ path, auth: "public" }]))).toMatchObject([{ path }]);
});

test.each([
  ["the same", [{ path: "/a" }, { path: "/a" }], "entry 1"],
  ["the same but for case", [{ path: "/a" }, { path: "/A" }], "entry 1"],
  ["the same but for encodings", [{ path: "/a@" }, { path: "/a%40" }], "entry 1"],
  ["the same path with a space", [{ path: "/a/b" }, { path: "/a%20/b" }], "entry 1"],
  ["the same path in full-width letters", [{ path: "/a/b" }, { path: "/%EF%BD%81/b" }], "entry 1"],
  ["a part of it", [{ path: "/*" }, { path: "/a" }], "entry 1"],
  ["a narrower prefix", [{ path: "/a*" }, { path: "/a/*" }], "entry 1"],
  ["one host of all", [{ path: "/a" }, { path: "/a", host: "a" }], "entry 1"],
  ["a method of all", [{ path: "/a" }, { path: "/a", methods: ["GET"] }], "entry 1"],
  [
    "methods of two",
    [
      { path: "/a", methods: ["GET"] },
      { path: "/*", methods: ["PUT"] },
      { path: "/a", methods: ["PUT", "GET"] },
    ],
    "entry 2 and 1",
  ],
])(
  "O14: an entry that can never be reached, because an earlier one matches %s, is refused",
  (_, list, by) => {
    const fault = faultOf(JSON.stringify(list.map((fields) => ({ ...fields, auth: "public" }))));
    expect(fault).toMatch(
      new RegExp(`^entry ${list.length} .* can never be reached, because ${by} comes first`),
    );
  },
);

test.each([
  ["another path", [{ path: "/a" }, { path: "/b" }, { path: "/*" }]],
  ["a longer path", [{ path: "/a/" }, { path: "/a/b" }, { path: "/a" }]],
  ["a wider prefix", [{ path: "/a/*" }, { path: "/a*" }]],
  ["every host", [{ path: "/a", host: "a" }, { path: "/a" }]],
  [
    "another host",
    [
      { path: "/a", host: "a" },
      { path: "/a", host: "b" },
    ],
  ],
  [
    "one method more",
    [{ path: "/a", methods: ["GET"] }, { path: "/a", methods: ["GET", "PUT"] }, { path: "/a" }],
  ],
])("an entry that an earlier one leaves %s is taken", (_, list) => {
  expect(faultOf(JSON.stringify(list.map((fields) => ({ ...fields, auth: "public" }))))).toBe("none");
});

test("L11: any file is read fast or refused", () => {
  const many = (count: number, of: (index: number) => string) =>
    Array.from({ length: count }, (_, i) => of(i)).join("");
  expect(parseRoutes(many(1_000, (i) => `- {path: /a/${i}, auth: public}\n`))).toHaveLength(1_000);
  expect(faultOf(many(1_001, (i) => `- {path: /a/${i}, auth: public}\n`))).toBe("has more than 1000 entries");
  expect(faultOf("[".repeat(100_000))).toMatch(/^is (nested too deeply|not plain YAML)/);
  expect(faultOf(`- path: /${"%41/".repeat(50_000)}\\\n  auth: public`)).toContain("has a `path`");
  const bomb = many(20, (i) => `- &a${i} [${i === 0 ? "x" : `*a${i - 1}, *a${i - 1}`}]\n`);
  expect(faultOf(bomb)).toContain("has an anchor or alias");
});

test("any text is either a list of routes or refused", () => {
  const word = fc.constantFrom(
    "- ",
    "path",
    ": ",
    "/a",
    "\n",
    "  ",
    "auth",
    "public",
    "[",
    "]",
    "{",
    "}",
    "*",
    "&a",
    "!!set",
    "?",
    "|",
    "'",
    "0",
    "~",
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (words) => {
      expect(typeof faultOf(words.join(""))).toBe("string");
    }),
  );
});
