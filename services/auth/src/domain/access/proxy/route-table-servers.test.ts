import { posix } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scaled } from "../../../../../../test/support/run/scale.ts";
import { createRouteTable, type Route } from "./route-table.ts";

const route = (path: string, more: Partial<Route> = {}): Route => ({
  host: undefined,
  path,
  methods: undefined,
  auth: "required",
  scopes: [],
  audiences: ["api"],
  ...more,
});
const get = (target: string, host = "api.example.com") => ({ method: "GET", host, target });

describe("I04: an upstream server that reads a path differently never reaches a route with other requirements", () => {
  const plain = fc.constantFrom("a", "A", "@", "s");
  const dots = fc.constantFrom("", ".", "..", "%2e%2e", ".%2E", "..;", "%252e%252e");
  const odd = fc.constantFrom(
    "%40",
    "%61",
    "%41",
    "%C3%A9",
    "%C5%BF",
    "a;x",
    "a%3Bx",
    "a%3F",
    "@%3fx",
    "A%23",
    "a%00",
    "a%20",
    "%20a",
    "a+",
    "+A",
    "+",
    "%E2%88%95a",
    "a%E2%81%84",
    "a.",
    "a%20.",
    "a%E2%80%8B",
    "%C2%ADa",
    "%EF%BD%81",
    "%EF%BC%A1",
    "%EF%BC%9B",
    "a%EF%BC%9Bx",
    "a%EF%BC%9Fx",
    "%EF%BC%8561",
    "%EF%BC%8E",
    "a::$DATA",
    "s%C2%A0",
    "%CF%82",
    "%CE%A3",
  );
  const joint = fc.constantFrom("/", "/", "/", "/", "%2F", "%5c", "\\", "%252f", "%25%32%66");
  const target = fc
    .array(fc.tuple(joint, fc.oneof(plain, plain, dots, odd)), { minLength: 1, maxLength: 4 })
    .map((pieces) =>
      pieces
        .flat()
        .join("")
        .replace(/^[^/]+/, "/"),
    );
  const routePath = fc.constantFrom(
    "/a",
    "/A",
    "/@",
    "/s",
    "/a/a",
    "/a/*",
    "/A/*",
    "/a*",
    "/A*",
    "/@*",
    "/%CF%83",
  );
  const someRoute = fc
    .record({ path: routePath, auth: fc.constantFrom("required", "public"), put: fc.boolean() })
    .map(({ path, auth, put }) =>
      route(path, { auth: auth as Route["auth"], methods: put ? new Set(["PUT"]) : undefined }),
    );
  const someRoutes = fc
    .tuple(fc.array(someRoute, { maxLength: 4 }), fc.constantFrom("required", "public", undefined))
    .map(([routes, rest]) =>
      rest === undefined ? routes : [...routes, route("/*", { auth: rest as Route["auth"] })],
    );
  const decoded = (text: string) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return Buffer.from(
        text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
      ).toString();
    }
  };
  const path = (text: string) => text.split("?", 1)[0] ?? "";
  const eachSegment = (text: string, change: (segment: string) => string) =>
    posix.normalize(text.split("/").map(change).join("/"));
  const servers: Readonly<Record<string, (text: string) => string>> = {
    "uses the path as it is": path,
    "decodes it": (text) => decoded(path(text)),
    "decodes it twice": (text) => decoded(decoded(path(text))),
    "decodes it, then cuts the query": (text) => path(decoded(text)),
    "decodes it, then cuts the fragment": (text) => decoded(path(text)).split("#", 1)[0] ?? "",
    "resolves dots": (text) => posix.normalize(path(text)),
    "decodes it and resolves dots": (text) => posix.normalize(decoded(path(text))),
    "resolves dots, backslashes too": (text) => posix.normalize(decoded(path(text)).replaceAll("\\", "/")),
    "does not decode it": (text) => path(text).replaceAll("%", "%25"),
    "reads it as a browser does": (text) => new URL(`http://h${path(text)}`).pathname,
    "drops parameters": (text) => path(text).replace(/;[^/]*/g, ""),
    "decodes it and drops parameters": (text) => posix.normalize(decoded(path(text)).replace(/;[^/]*/g, "")),
    "trims white space": (text) => eachSegment(decoded(path(text)), (one) => one.trim()),
    "reads `+` as a space, and trims": (text) =>
      eachSegment(decoded(path(text).replaceAll("+", " ")), (one) => one.trim()),
    "converts it to a Windows code page": (text) =>
      posix.normalize(decoded(path(text)).replace(/[\u2044\u2215]/g, "/")),
    "reads `+` as a space": (text) => decoded(path(text).replaceAll("+", " ")),
    "trims spaces and dots like Windows": (text) =>
      eachSegment(decoded(path(text)), (one) => one.replace(/[ .]+$/, "")),
    "drops NTFS streams": (text) => eachSegment(decoded(path(text)), (one) => one.replace(/::\$.*$/, "")),
    "normalizes to NFKC": (text) => posix.normalize(decoded(path(text)).normalize("NFKC")),
    "normalizes to NFKC, then decodes": (text) =>
      posix.normalize(decoded(decoded(path(text)).normalize("NFKC"))),
    "normalizes to NFKC, then drops parameters": (text) =>
      decoded(path(text))
        .normalize("NFKC")
        .replace(/;[^/]*/g, ""),
    "normalizes to NFKC, then cuts the query": (text) => path(decoded(path(text)).normalize("NFKC")),
    "normalizes to NFKC, then trims": (text) =>
      eachSegment(decoded(path(text)).normalize("NFKC"), (one) => one.trim()),
    "drops invisible characters": (text) =>
      posix.normalize(decoded(path(text)).replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, "")),
    "drops invisible characters, then trims": (text) =>
      eachSegment(decoded(path(text)).replace(/\p{Cf}/gu, ""), (one) => one.trim()),
    "ends it at a NUL": (text) => decoded(path(text)).split("\0", 1)[0] ?? "",
  };
  /** The simplest possible matcher: on decoded text, for one method. */
  const meet = (routes: readonly Route[], text: string, fold: (text: string) => string): string => {
    const found = routes.find(({ path, methods }) => {
      if (methods !== undefined) return false;
      const expected = fold(decoded(path));
      return path.endsWith("*") ? text.startsWith(expected.slice(0, -1)) : text === expected;
    });
    return found?.auth ?? "none";
  };

  test.each(Object.entries(servers))("a server that %s", (_, read) => {
    fc.assert(
      fc.property(someRoutes, target, (routes, text) => {
        const found = createRouteTable(routes).match(get(text));
        if (found === undefined) return;
        const folds = [
          (one: string) => one,
          (one: string) => one.toLowerCase(),
          (one: string) => one.toUpperCase(),
        ];
        for (const fold of folds) {
          expect(meet(routes, fold(decoded(read(text))), fold)).toBe(found.auth);
        }
      }),
      { numRuns: scaled(10_000, { atLeast: 2_000 }) },
    );
  });

  test("a plain path passes", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z0-9_-]{1,8}$/), { minLength: 1 }), (segments) => {
        const routes = [route("/health", { auth: "public", audiences: [] }), route("/*")];
        expect(createRouteTable(routes).match(get(`/${segments.join("/")}`))).toBeDefined();
      }),
    );
  });
});
