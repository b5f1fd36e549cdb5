import { describe, expect, test } from "vitest";
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

  describe("I04: another spelling of an address does not bypass the routes of that address", () => {
    const guarded = [
      route("/*", { host: "127.0.0.1" }),
      route("/*", { host: "[2001:db8::9]" }),
      route("/*", { host: "[::1]" }),
      route("/*", open),
    ];

    test.each([
      ...["2130706433", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0X7F.0.0.1:80", "127.1."],
      ...["[::ffff:127.0.0.1]", "[::FFFF:7f00:1]:443", "[0:0:0:0:0:ffff:127.0.0.1]"],
      ...["0177.0.0.1", "127.0.0.01", "127.0.0.1.1", "256.0.0.1"],
      ...["[2001:DB8:0:0::9]:8080", "[2001:db8:0:0:0:0:0.0.0.9]", "[0:0:0:0:0:0:0:1]", "[::0.0.0.1]"],
      ...["[fe80::1%25eth0]", "[::1%lo]", "１２７.0.0.1", "127。0.0.1", "127.0.0.1%20", "127.0.0.1,b"],
    ])("%s", (host) => {
      const auth = createRouteTable(guarded).match(get("/x", host))?.auth ?? "refused";
      expect(["required", "refused"]).toContain(auth);
    });

    test.each(["1.2.3", "10.0.0.1", "[2001:db8::8]", "b.example", "a_b", "app-1", "xn--bcher-kva.example"])(
      "%s stays public",
      (host) => {
        expect(createRouteTable(guarded).match(get("/x", host))?.auth).toBe("public");
      },
    );

    test("any spelling passes if all routes have the same requirements", () => {
      const same = [route("/*", { host: "127.0.0.1" }), route("/*")];
      for (const host of ["2130706433", "[::ffff:127.0.0.1]", "b.example"]) {
        expect(pathOf(same, get("/x", host)), host).toBe("/*");
      }
    });
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

describe("I04: a path that is not in its normal form matches no route", () => {
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

  test.each([
    ...["/admin%20/x", "/%20admin/x", "/admin%C2%A0/x", "/admin%E3%80%80/x", "/admin%E2%80%A8/x"],
    ...["/admin%E2%80%8B/x", "/adm%E2%80%8Bin/x", "/%EF%BB%BFadmin/x", "/admin%C2%AD/x", "/ad%E2%81%A0min/x"],
    ...[
      "/admin%EF%B8%8F/x",
      "/admin%CD%8F/x",
      "/admin%E3%85%A4/x",
      "/admin%F3%A0%81%A1/x",
      "/admin%E2%80%AE/x",
    ],
    ...[
      "/%EF%BD%81dmin/x",
      "/%EF%BC%A1DMIN/x",
      "/%E2%93%90dmin/x",
      "/admi%E2%81%BF/x",
      "/%F0%9D%90%9Admin/x",
    ],
    ...["/admin./x", "/admin.../x", "/admin.%20/x", "/admin%20./x", "/admin::$INDEX_ALLOCATION/x"],
    ...[
      "/admin%E2%80%A4/x",
      "/admin%EF%BC%9Bv=1/x",
      "/admin%CD%BEv/x",
      "/admin%EF%BC%8Fx",
      "/admin%EF%BC%BCx",
    ],
    ...["/%EF%BC%8561dmin/x", "/%EF%B9%AA61dmin/x", "/public/..%3F/x", "/%20/admin/x"],
    ...["/admin+/x", "/+admin/x", "/+/admin/x", "/admin+./x", "/public/..+/admin/x", "/public/+../admin/x"],
    ...["/admin%E2%81%84x", "/admin%E2%88%95x", "/admin%E2%88%96x", "/%E2%88%95admin/x"],
    ...["/%20./x", "/..%2E/x", "/admin/x%00", "/admin%09/x", "/admin%0B/x", "/admin%1F/x"],
  ])("I04: %s does not bypass /admin/*", (target) => {
    const guarded = [route("/admin/*"), route("/*", open)];
    expect(createRouteTable(guarded).match(get(target))?.auth ?? "refused").not.toBe("public");
  });

  test.each([
    ["/%CE%B1%CF%83/*", "/%CE%B1%CF%82/x"],
    ["/%CE%B1%CF%83/*", "/%CE%91%CE%A3/x"],
    ["/%CE%B1%CF%83*", "/%CE%B1%CF%82"],
    ["/stra%C3%9Fe/*", "/stra%E1%BA%9Ee/x"],
    ["/stra%C3%9Fe/*", "/STRASSE/x"],
    ["/caf%C3%A9/*", "/cafe%CC%81/x"],
    ["/cafe%CC%81/*", "/caf%C3%A9/x"],
    ["/a%20b/*", "/a+b/x"],
    ["/%EF%BD%81/*", "/a/x"],
  ])("I04: %s is not bypassed by %s", (path, target) => {
    expect(createRouteTable([route(path), route("/*", open)]).match(get(target))?.auth).not.toBe("public");
  });

  test("an unusual path passes if all of its readings have the same requirements", () => {
    const targets = [
      ...[
        "/orders/Caf%C3%A9",
        "/orders/cafe%CC%81",
        "/orders/a%20b",
        "/orders/a+b",
        "/orders/file.",
        "/orders/v1.2",
        "/orders/+49",
        "/orders/+",
        "/orders/%C2%BD",
      ],
      ...["/orders/%E4%BD%95%EF%BC%9F", "/orders/50%EF%BC%85", "/orders/%F0%9F%91%A9%E2%80%8D%F0%9F%94%AC"],
      ...[
        "/orders/%EF%BC%A1",
        "/orders/x%20",
        "/orders/.well-known",
        "/orders/..a",
        "/orders/a:list",
        "/orders/",
      ],
    ];
    for (const target of targets) {
      expect(pathOf([route("/orders/*")], get(target)), target).toBe("/orders/*");
      expect(pathOf([route("/orders/*"), route("/*", open)], get(target)), target).toBe("/orders/*");
      expect(pathOf([route("/*", open)], get(target)), target).toBe("/*");
    }
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
