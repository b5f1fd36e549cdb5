import { posix } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRouteTable, type Route } from "./route-table.ts";

const route = (path: string, more: Partial<Route> = {}): Route => ({
  ...{ host: undefined, path, methods: undefined, auth: "required", scopes: [], audiences: ["api"] },
  ...more,
});
const open = { auth: "public", audiences: [] } as const;
const get = (target: string, host = "api.example.com") => ({ method: "GET", host, target });

function pathOf(routes: readonly Route[], request: { method: string; host: string; target: string }) {
  return createRouteTable(routes).match(request)?.path;
}

describe("the first route that fits counts", () => {
  const routes = [
    route("/a"),
    route("/b/*", { methods: new Set(["GET"]) }),
    route("/b/c", open),
    route("/b*"),
  ];

  test.each([
    ["/a", "/a"],
    ["/a?x=/b/../c;%2e", "/a"],
    ["/a?", "/a"],
    ["/a/", undefined],
    ["/ab", undefined],
    ["/b", "/b*"],
    ["/b/", "/b/*"],
    ["/b/c", "/b/*"],
    ["/b/c/d", "/b/*"],
    ["/bc", "/b*"],
    ["/", undefined],
    ["/c", undefined],
  ])("GET %s → %s", (target, path) => {
    expect(pathOf(routes, get(target))).toBe(path);
  });

  test("with the methods that it names", () => {
    expect(pathOf(routes, { ...get("/b/c"), method: "HEAD" })).toBe("/b/c");
    expect(pathOf(routes, { ...get("/b/d"), method: "HEAD" })).toBe("/b*");
  });

  test("and without any nothing passes", () => {
    expect(pathOf([], get("/a"))).toBeUndefined();
  });
});

describe("hosts", () => {
  const routes = [route("/*", { host: "a.example" }), route("/*", { host: "[::1]" }), route("/x", open)];

  test.each(["a.example", "A.EXAMPLE", "a.example.", "a.example:8080", "a.example.:443"])(
    "%s is a.example",
    (host) => {
      expect(pathOf(routes, get("/x", host))).toBe("/*");
    },
  );

  test("any other one meets the routes without a host", () => {
    for (const host of ["b.example", "xa.example", "a.example.b", "127.0.0.1", "a_b", "[::2]:80"]) {
      expect(pathOf(routes, get("/x", host)), host).toBe("/x");
    }
    expect(pathOf(routes, get("/x", "[::1]:80"))).toBe("/*");
  });

  test.each([
    "",
    "a.example, b",
    "u@a.example",
    "a.example:x",
    "a.example/",
    "a..example",
    "ä.example",
    "a.example\0",
  ])("I04: %j is no host, and meets nothing", (host) => {
    expect(pathOf(routes, get("/x", host))).toBeUndefined();
  });

  test("none is needed where no route names one", () => {
    expect(pathOf([route("/x")], get("/x", ""))).toBe("/x");
    expect(pathOf([route("/x")], get("/x", "u@a"))).toBeUndefined();
  });
});

test.each(["get", "Get", "", "GET ", "GET\0", "G\u00cbT", "*"])(
  "I04: the method %j meets nothing",
  (method) => {
    expect(pathOf([route("/*", open)], { ...get("/a"), method })).toBeUndefined();
  },
);

describe("I04: a path that is not in its normal form meets nothing, whatever the routes", () => {
  test.each([
    ...["", "*", "a", "?", "http://api.example.com/a", "//", "//a", "/a//b", "/a//"],
    ...[
      "/.",
      "/..",
      "/./a",
      "/a/./b",
      "/a/..",
      "/a/../b",
      "/../a",
      "/%2e%2e/a",
      "/.%2E/a",
      "/a/%2e",
      "/a%2eb",
    ],
    ...[
      "/a/..%20/b",
      "/a/%20../b",
      "/a/%E2%80%A5/b",
      "/a/%EF%BC%8E%EF%BC%8E/b",
      "/a%EF%BC%8Fb",
      "/a%EF%BC%BCb",
      "/a/..%E2%80%8B/b",
      "/a/..%C2%AD/b",
    ],
    ...[
      "/a%2Fb",
      "/a%2fb",
      "/a%5cb",
      "/a\\b",
      "\\a",
      "/a%252fb",
      "/a%25",
      "/a%",
      "/a%4",
      "/a%zz",
      "/a%u0041",
    ],
    ...[
      "/a;b",
      "/a;",
      "/a/..;/b",
      "/a%3Bb",
      "/a#b",
      "/#",
      "/a b",
      "/a\tb",
      "/a\0",
      "/a%00",
      "/a%0d%0a",
      "/a%1F",
    ],
    ...[
      "/a%7F",
      "/a%C2%85",
      "/ä",
      "/a\u{fffd}",
      "/a%C0%AF",
      "/a%C0%AEb",
      "/a%E0%80%AF",
      "/a%FF",
      "/a%ED%A0%80",
    ],
    ...['/a"b', "/a<b", "/a|b", "/a^b", "/a`b", "/a{b}", "/a[b]"],
  ])("%j", (target) => {
    expect(pathOf([route("/*", open)], get(target))).toBeUndefined();
  });
});

describe("I04: a path that the upstream may read as one to a route with other demands meets nothing", () => {
  const routes = [route("/Admin/*", { scopes: ["admin"] }), route("/@me"), route("/*", open)];

  test.each([
    ...["/admin/x", "/ADMIN/x", "/%41dmin/x", "/Adm%69n/x", "/%61dmin/x", "/admin/%3fx"],
    ...["/%40me", "/@ME", "/@m%65", "/@me%3Fx", "/@me%23", "/%40me%3f"],
  ])("%s", (target) => {
    expect(pathOf(routes, get(target))).toBeUndefined();
  });

  test("and one that all read alike passes", () => {
    const passing = [
      "/Admin/Users/1%2B1",
      "/Admin/%C3%A9%20b",
      "/Admin/what%3F",
      "/Admin/%C3%a9",
      "/@me",
      "/x/Y%40z",
    ];
    expect(passing.map((target) => pathOf(routes, get(target)))).toEqual([
      ...["/Admin/*", "/Admin/*", "/Admin/*", "/Admin/*", "/@me", "/*"],
    ]);
  });

  test("also where a decoded `?` is neither cut off nor left encoded", () => {
    expect(pathOf([route("/@"), route("/@*", open), route("/*")], get("/%40%3F"))).toBeUndefined();
  });

  test("also by letters of which only one fold knows", () => {
    const sharp = [route("/ask"), route("/*", open)];
    for (const target of ["/a%C5%BFk", "/as%E2%84%AA"])
      expect(pathOf(sharp, get(target)), target).toBeUndefined();
  });

  test("while other demands are other methods, scopes or audiences, and nothing else", () => {
    const twins = [route("/a"), route("/*")];
    expect(pathOf(twins, get("/A"))).toBe("/*");
    expect(pathOf([route("/a", { audiences: ["b"] }), route("/*")], get("/A"))).toBeUndefined();
    expect(pathOf([route("/a", { scopes: ["b"] }), route("/*")], get("/A"))).toBeUndefined();
    expect(pathOf([route("/a", { methods: new Set(["PUT"]), ...open }), route("/*")], get("/A"))).toBe("/*");
  });
});

describe("I04: whatever a server behind makes of a path, it comes to a route with the same demands", () => {
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
  const routePath = fc.constantFrom("/a", "/A", "/@", "/s", "/a/a", "/a/*", "/A/*", "/a*", "/A*", "/@*");
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
  const servers: Readonly<Record<string, (text: string) => string>> = {
    "takes it as it is": path,
    "decodes it": (text) => decoded(path(text)),
    "decodes it twice": (text) => decoded(decoded(path(text))),
    "decodes it, then cuts the query": (text) => path(decoded(text)),
    "decodes it, then cuts the fragment": (text) => decoded(path(text)).split("#", 1)[0] ?? "",
    "resolves dots": (text) => posix.normalize(path(text)),
    "decodes it and resolves dots": (text) => posix.normalize(decoded(path(text))),
    "resolves dots, backslashes too": (text) => posix.normalize(decoded(path(text)).replaceAll("\\", "/")),
    "reads it as it is written": (text) => path(text).replaceAll("%", "%25"),
    "reads it as a browser does": (text) => new URL(`http://h${path(text)}`).pathname,
    "drops parameters": (text) => path(text).replace(/;[^/]*/g, ""),
    "decodes it and drops parameters": (text) => posix.normalize(decoded(path(text)).replace(/;[^/]*/g, "")),
    "ends it at a NUL": (text) => decoded(path(text)).split("\0", 1)[0] ?? "",
  };
  /** As simple as it can be: on decoded text, for one method. */
  const meet = (routes: readonly Route[], text: string, fold: (text: string) => string): string => {
    const found = routes.find(({ path, methods }) => {
      if (methods !== undefined) return false;
      const wanted = fold(decoded(path));
      return path.endsWith("*") ? text.startsWith(wanted.slice(0, -1)) : text === wanted;
    });
    return found?.auth ?? "none";
  };

  test.each(Object.entries(servers))("a server that %s", (_, read) => {
    fc.assert(
      fc.property(someRoutes, target, (routes, text) => {
        const found = createRouteTable(routes).match(get(text));
        if (found === undefined) return;
        for (const fold of [(one: string) => one, (one: string) => one.toLowerCase()]) {
          expect(meet(routes, fold(decoded(read(text))), fold)).toBe(found.auth);
        }
      }),
      { numRuns: 10_000 },
    );
  });

  test("and what is plain passes", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z0-9_-]{1,8}$/), { minLength: 1 }), (segments) => {
        expect(pathOf([route("/health", open), route("/*")], get(`/${segments.join("/")}`))).toBeDefined();
      }),
    );
  });
});
