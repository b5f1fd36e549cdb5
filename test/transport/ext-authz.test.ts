import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { connectEnvoy, type Envoy, passOn } from "../support/clients/envoy.ts";
import { foldedIdentityNames } from "../support/clients/folded-names.ts";
import { frame, grpc, grpcStatus } from "../support/clients/wire.ts";
import { startTcpProxy, type TcpProxy } from "../support/faults/tcp-proxy.ts";
import { createUser, login } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const elsewhere = "https://elsewhere.postern.test";
const routes = `
- { path: /health, auth: public }
- { path: /open/*, auth: optional }
- { path: /orders/*, methods: [GET, HEAD], auth: required, scopes: [read] }
- { path: /orders/*, auth: required, scopes: [read, write] }
- { path: /elsewhere, auth: required, audiences: [${elsewhere}] }
- { host: admin.example.com, path: /*, auth: required, scopes: [nobody-has-it] }
- { path: /anything/*, auth: required }
- { path: /site/admin/*, auth: required }
- { path: /site/*, auth: public }
- { host: 127.0.0.1, path: /hosted/*, auth: required }
- { path: /hosted/*, auth: public }
`;

const folder = mkdtempSync(`${tmpdir()}/postern-routes-`);
let database: TestDatabase;
let proxy: TcpProxy;
let server: ServerProcess;
let envoy: Envoy;
let admin: Clients;
let web: Clients;
/** Of a session that nothing ends. */
let kept: { readonly accessToken: string; readonly refreshToken: string; readonly sessionId: string };
let person: { readonly email: string; readonly id: string };

beforeAll(async () => {
  const POSTERN_ROUTES = `${folder}/routes.yaml`;
  writeFileSync(POSTERN_ROUTES, routes);
  database = await createDatabase();
  const { hostname: host, port } = new URL(database.url);
  proxy = await startTcpProxy({ host, port: Number(port) });
  server = await startServer({
    databaseUrl: proxy.through(database.url),
    env: { POSTERN_ROUTES, POSTERN_ACCESS_TTL: "1h" },
  });
  envoy = connectEnvoy(server.grpc);
  admin = createClients({ baseUrl: server.http, credential: TOKENS.admin });
  web = createClients({ baseUrl: server.http, credential: TOKENS.web });
  person = await createUser(admin.admin, ["editor", "staff"]);
  kept = await newTokens();
});

afterAll(async () => {
  envoy?.[Symbol.dispose]();
  admin?.[Symbol.dispose]();
  web?.[Symbol.dispose]();
  await server?.stop();
  await proxy?.close();
  await database?.drop();
  rmSync(folder, { recursive: true });
});

async function newTokens(scope = ["read", "write"], audience: string[] = []) {
  return login((audience.length > 0 ? admin : web).auth, person.email, { scope, audience });
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const challenge = (parameters = "") => ({ "www-authenticate": `Bearer realm="postern"${parameters}` });
const invalidToken = { code: 16, status: 401, headers: challenge(', error="invalid_token"') };
const forbidden = { code: 7, status: 403, headers: {} };

describe("a good token", () => {
  test("lets a request pass, with what is known of its owner", async () => {
    const { accessToken, sessionId } = await newTokens();
    const checked = await envoy.request({ path: "/anything/at/all?x=1", headers: bearer(accessToken) });
    expect(checked).toMatchObject({ code: 0, status: undefined });
    expect(checked.headers).toEqual({
      "x-postern-subject": person.id,
      "x-postern-client": "web",
      "x-postern-session": sessionId,
      "x-postern-scope": "read write",
      "x-postern-roles": "editor,staff",
    });
  });

  test("sends no header for an empty value, and removes the client's", async () => {
    const { email } = await createUser(admin.admin);
    const { accessToken } = await login(web.auth, email);
    const checked = await envoy.request({ path: "/anything/", headers: bearer(accessToken) });
    expect(Object.keys(checked.headers)).not.toContain("x-postern-roles");
    expect(checked.removed).toEqual(expect.arrayContaining(["x-postern-roles", "x-postern-scope"]));
  });

  test("has to hold every scope of the route, and be for its audience", async () => {
    const { accessToken } = await newTokens(["read"]);
    const ask = (path: string, method: string) =>
      envoy.request({ path, method, headers: bearer(accessToken) });
    expect(await ask("/orders/1", "GET")).toMatchObject({ code: 0 });
    expect(await ask("/orders/1", "DELETE")).toMatchObject({
      code: 7,
      status: 403,
      headers: challenge(', error="insufficient_scope", scope="read write"'),
    });
    expect(await ask("/elsewhere", "GET")).toMatchObject(invalidToken);
    const other = await newTokens(["read"], [elsewhere]);
    expect(await envoy.request({ path: "/elsewhere", headers: bearer(other.accessToken) })).toMatchObject({
      code: 0,
    });
    expect(await envoy.request({ path: "/anything/", headers: bearer(other.accessToken) })).toMatchObject(
      invalidToken,
    );
  });

  test("is over with the answer of its revocation", async () => {
    const tokens = await newTokens();
    const ask = () => envoy.request({ path: "/anything/", headers: bearer(tokens.accessToken) });
    expect(await ask()).toMatchObject({ code: 0 });
    await web.auth.revoke({ target: { case: "token", value: tokens.refreshToken } });
    expect(await ask()).toMatchObject(invalidToken);
  });

  test("is over with its time", async () => {
    const { accessToken } = await newTokens();
    await advanceClock(database.url, 3_700_000);
    try {
      expect(await envoy.request({ path: "/anything/", headers: bearer(accessToken) })).toMatchObject(
        invalidToken,
      );
    } finally {
      await advanceClock(database.url, -3_700_000);
    }
  });
});

describe("without a token", () => {
  test("a route that asks for one is refused, without a word about errors", async () => {
    expect(await envoy.request({ path: "/anything/" })).toMatchObject({
      code: 16,
      status: 401,
      headers: challenge(),
    });
  });

  test.each(["/health", "/open/x"])("%s passes without an identity", async (path) => {
    const checked = await envoy.request({ path });
    expect(checked).toMatchObject({ code: 0, headers: {} });
    expect(checked.removed).toContain("x-postern-subject");
  });
});

describe("I12: a credential that is no good token is refused where tokens are looked at, and nowhere else", () => {
  const kinds: Readonly<Record<string, () => string>> = {
    "no token": () => "Bearer",
    "no token behind a space": () => "Bearer ",
    "a tab": () => `Bearer\t${kept.accessToken}`,
    "a token cut short": () => `Bearer ${kept.accessToken.slice(0, -1)}`,
    "a token and something more": () => `Bearer ${kept.accessToken} x`,
    "A14: a refresh token": () => `Bearer ${kept.refreshToken}`,
    "a caller's secret token": () => `Bearer ${TOKENS.admin}`,
    "I01: two tokens, joined": () => `Bearer ${kept.accessToken}, Bearer ${kept.accessToken}`,
    "I01: two tokens, joined without a space": () => `Bearer ${kept.accessToken},${kept.accessToken}`,
    "A23: a token too long": () => `Bearer ${"a".repeat(20_000)}`,
    "I06: bytes that are no ASCII": () => `Bearer ${kept.accessToken}\u{fffd}`,
  };
  test.each(Object.entries(kinds))("%s", async (_, make) => {
    const headers = { authorization: make() };
    const [required, optional, open] = await Promise.all(
      ["/anything/", "/open/x", "/health"].map((path) => envoy.request({ path, headers })),
    );
    expect(required).toMatchObject(invalidToken);
    expect(optional).toMatchObject(invalidToken);
    expect(open).toMatchObject({ code: 0, headers: {} });
  });

  test.each(
    Object.entries({ nothing: "", "another scheme": "Basic YTpi", "a token without a scheme": "eyJ0" }),
  )("%s gets a challenge", async (_, authorization) => {
    const [required, optional] = await Promise.all(
      ["/anything/", "/open/x"].map((path) => envoy.request({ path, headers: { authorization } })),
    );
    for (const checked of [required, optional]) {
      expect(checked).toMatchObject({ code: 16, status: 401, headers: challenge() });
    }
  });

  test.each(["bearer", "BEARER", "Bearer  "])("while %j is the scheme", async (scheme) => {
    const authorization = `${scheme} ${kept.accessToken}`;
    expect(await envoy.request({ path: "/anything/", headers: { authorization } })).toMatchObject({
      code: 0,
    });
  });
});

test("I01: two `authorization` headers that Envoy does not join are refused", async () => {
  const { accessToken } = kept;
  const http = { method: "GET", host: "h", path: "/anything/" };
  const header = { key: "authorization", raw_value: Buffer.from(`Bearer ${accessToken}`) };
  const ask = (headers: unknown[]) =>
    envoy.check({ attributes: { request: { http: { ...http, header_map: { headers } } } } });
  expect(await ask([header])).toMatchObject({ code: 0, headers: { "x-postern-subject": person.id } });
  const headers = challenge(', error="invalid_request"');
  expect(await ask([header, header])).toMatchObject({ code: 3, status: 400, headers });
});

test("what no route names is refused, token or not", async () => {
  const { accessToken } = kept;
  for (const path of ["/", "/nothing", "/anything", "/health/"]) {
    expect(await envoy.request({ path, headers: bearer(accessToken) }), path).toMatchObject(forbidden);
  }
});

describe("I04: what can be read in several ways is refused", () => {
  test.each([
    ...["/health/../anything/x", "//health", "/%2e%2e/health", "/open/%2e%2e/orders/1", "/open/..;/orders/1"],
    ...[
      "/open/%2F..%2Forders",
      "/open/%5c",
      "/open\\x",
      "/open/%252e%252e/x",
      "/open/x#y",
      "/open/\0",
      "open/x",
      "*",
    ],
    ...["/HEALTH", "/%6fpen/x", "/Orders/1", "/health%3f"],
  ])("the path %j", async (path) => {
    expect((await envoy.request({ path }).catch(() => undefined))?.code).not.toBe(0);
  });

  test.each([
    ...[
      "/site/admin%20/x",
      "/site/admin%E2%80%8B/x",
      "/site/%EF%BD%81dmin/x",
      "/site/admin./x",
      "/site/%20/admin/x",
    ],
    ...[
      "/site/admin%EF%BC%9Bv/x",
      "/site/ADM%E2%80%8Bin/x",
      "/site/x/%E2%80%A5/admin/x",
      "/site/%EF%BC%8561dmin/x",
    ],
  ])("the path %s, which some servers read as a path below /site/admin/", async (path) => {
    expect(await envoy.request({ path: "/site/x" })).toMatchObject({ code: 0 });
    expect(await envoy.request({ path })).toMatchObject(forbidden);
  });

  test.each(["2130706433", "0x7f.1:80", "127.1", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]:80", "0177.0.0.1"])(
    "the host %s, which some servers read as 127.0.0.1",
    async (host) => {
      expect(await envoy.request({ host: "h", path: "/hosted/x" })).toMatchObject({ code: 0 });
      expect(await envoy.request({ host: "127.0.0.1", path: "/hosted/x" })).toMatchObject({ status: 401 });
      expect(await envoy.request({ host, path: "/hosted/x" })).toMatchObject(forbidden);
    },
  );

  test("another host's routes by another spelling of it", async () => {
    const { accessToken } = kept;
    const ask = (host: string) => envoy.request({ host, path: "/anything/", headers: bearer(accessToken) });
    expect(await ask("api.example.com")).toMatchObject({ code: 0 });
    for (const host of ["admin.example.com", "ADMIN.example.com:443", "admin.example.com."]) {
      expect(await ask(host), host).toMatchObject({
        status: 403,
        headers: { "www-authenticate": expect.stringContaining("insufficient") },
      });
    }
    for (const host of ["", "x@admin.example.com", "admin.example.com, api.example.com"]) {
      expect(await ask(host), host).toMatchObject(forbidden);
    }
  });
});

test("I03: headers that describe another request are ignored", async () => {
  const headers = {
    "x-forwarded-uri": "/health",
    "x-original-uri": "/health",
    "x-original-url": "/health",
    "x-rewrite-url": "/health",
    "x-envoy-original-path": "/health",
    "x-forwarded-method": "GET",
    "x-forwarded-host": "api.example.com",
    ":path": "/health",
  };
  expect(await envoy.request({ path: "/anything/", headers })).toMatchObject({ status: 401 });
  expect(await envoy.request({ path: "/nothing", headers })).toMatchObject(forbidden);
});

describe("what a client says of its identity reaches no upstream", () => {
  const spoofed = {
    "x-postern-subject": "usr_spoofed",
    "x-postern-client": "spoofed",
    "x-postern-session": "ses_spoofed",
    "x-postern-scope": "spoofed",
    "x-postern-roles": "admin",
    x_postern_subject: "usr_spoofed",
    "x_postern-subject": "usr_spoofed",
    "x-postern_roles": "admin",
    "x.postern.roles": "admin",
    "X-Postern-Roles": "admin",
    ...Object.fromEntries(foldedIdentityNames.map((name) => [name, "spoofed"])),
  };
  const harmless = { "x-posternroles": "kept", "x-other.name": "kept", accept: "*/*" };

  test.each([
    ["a public route", "/health", false],
    ["a public route with a token", "/health", true],
    ["an optional route", "/open/x", false],
    ["an optional route with a token", "/open/x", true],
    ["a route that asks for a token", "/anything/", true],
  ])("by %s", async (_, path, withToken) => {
    const { accessToken, sessionId } = kept;
    const headers = { ...spoofed, ...harmless, ...(withToken ? bearer(accessToken) : {}) };
    const checked = await envoy.request({ path, headers });
    const identity = {
      "x-postern-subject": person.id,
      "x-postern-client": "web",
      "x-postern-session": sessionId,
      "x-postern-scope": "read write",
      "x-postern-roles": "editor,staff",
    };
    const passed = passOn(headers, checked);
    const { authorization: _authorization, ...rest } = passed;
    expect(rest).toEqual({ ...harmless, ...(withToken && path !== "/health" ? identity : {}) });
  });

  test("also if Envoy does not report it", async () => {
    const { removed } = await envoy.request({ path: "/health" });
    const spellings = ["x-postern-roles", "x_postern_roles", "x-postern_roles", "x_postern-roles"];
    expect(removed).toEqual(expect.arrayContaining(spellings));
    expect(removed).toHaveLength(20);
  });
});

describe("I07: an incomplete check is denied, and has no other effect", () => {
  test.each<[string, unknown]>([
    ["nothing", {}],
    ["no attributes", { attributes: {} }],
    ["no request", { attributes: { source: { principal: "x" } } }],
    ["no HTTP", { attributes: { request: {} } }],
    ["no path", { attributes: { request: { http: { method: "GET", host: "h" } } } }],
    ["no method", { attributes: { request: { http: { path: "/health", host: "h" } } } }],
    ["no host", { attributes: { request: { http: { path: "/health", method: "GET" } } } }],
  ])("%s", async (_, message) => {
    expect(await envoy.check(message)).toMatchObject(forbidden);
  });

  test.each<[string, Buffer]>([
    ["no message", Buffer.from([0xff, 0xff, 0xff])],
    ["one of more than 64 KiB", Buffer.concat([Buffer.from([0x12, 0xf0, 0xf4, 0x04]), Buffer.alloc(80_000)])],
  ])("%s", async (_, message) => {
    const answer = await grpc(server.grpc, "/envoy.service.auth.v3.Authorization/Check", {}, frame(message));
    expect(grpcStatus(answer)).toBeGreaterThan(0);
    expect(await envoy.request({ path: "/health" })).toMatchObject({ code: 0 });
  });
});

describe("with Postgres lost", () => {
  afterEach(async () => {
    proxy.restore();
    await poll("the server has its Postgres back", 45_000, async () => {
      const { stores } = (await (await fetch(`${server.ops}/readyz`)).json()) as {
        stores: { postgres: string };
      };
      return stores.postgres === "up" ? true : undefined;
    });
  });

  test.each(["cut", "hold"] as const)(
    "J04: nothing is said of a token, and the request does not pass (%s)",
    async (how) => {
      const { accessToken } = kept;
      proxy[how]();
      const lost = await envoy.request({ path: "/anything/", headers: bearer(accessToken) });
      expect(lost).toMatchObject({
        code: 14,
        status: 503,
        headers: { "retry-after": expect.stringMatching(/^[1-9]\d*$/) },
      });
      const [open, none, wrong] = await Promise.all([
        envoy.request({ path: "/health", headers: bearer(accessToken) }),
        envoy.request({ path: "/anything/" }),
        envoy.request({ path: "/anything/", headers: bearer("x.y.z") }),
      ]);
      expect([open.code, none.status, wrong.status]).toEqual([0, 401, 401]);
    },
  );
});

test("health reports it by its name", async () => {
  const name = "envoy.service.auth.v3.Authorization";
  const message = Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]);
  const answer = await grpc(server.grpc, "/grpc.health.v1.Health/Check", {}, frame(message));
  expect([grpcStatus(answer), answer.body.toString("hex")]).toEqual([0, "00000000020801"]);
});
