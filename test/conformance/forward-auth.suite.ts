import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { foldedIdentityNames } from "../support/clients/folded-names.ts";
import { startTcpProxy, type TcpProxy } from "../support/faults/tcp-proxy.ts";
import { createUser, login } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type Echo, type EchoedRequest, startEcho } from "../support/servers/echo.ts";
import type { FrontProxy } from "../support/servers/front-proxy.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const routes = `
- { path: /public/*, auth: public }
- { path: /open/*, auth: optional }
- { path: /write/*, auth: required, scopes: [write] }
- { host: 127.0.0.1, path: /secret/*, auth: required }
- { path: /site/admin/*, auth: required }
- { path: /site/*, auth: public }
`;

type Header = readonly [name: string, value: string];

/** Where the proxy finds Postern's http listener and the application: `host:port`. */
export interface Places {
  readonly postern: string;
  readonly application: string;
}

export interface ForwardAuthSuite {
  readonly start: (places: Places) => Promise<FrontProxy>;
  /** Whether it passes other statuses of Postern than 200, 401 and 403 to the client. */
  readonly passesEveryStatus: boolean;
}

/** What an application behind a proxy may count on, with a real Postern. */
export function forwardAuthSuite({ start, passesEveryStatus }: ForwardAuthSuite): void {
  const folder = mkdtempSync(`${tmpdir()}/postern-routes-`);
  let database: TestDatabase;
  let toPostgres: TcpProxy;
  let toPostern: TcpProxy;
  let server: ServerProcess;
  let echo: Echo;
  let front: FrontProxy;
  let admin: Clients;
  let web: Clients;
  let person: { readonly email: string; readonly id: string };
  /** Of a session that nothing ends; it has the scope `read` alone. */
  let kept: { readonly accessToken: string; readonly sessionId: string };

  beforeAll(async () => {
    const POSTERN_ROUTES = `${folder}/routes.yaml`;
    writeFileSync(POSTERN_ROUTES, routes);
    database = await createDatabase();
    const { hostname: host, port } = new URL(database.url);
    toPostgres = await startTcpProxy({ host, port: Number(port) });
    server = await startServer({
      databaseUrl: toPostgres.through(database.url),
      env: { POSTERN_ROUTES, POSTERN_ACCESS_TTL: "1h" },
    });
    toPostern = await startTcpProxy({ host: "127.0.0.1", port: Number(new URL(server.http).port) });
    echo = await startEcho();
    front = await start({ postern: `127.0.0.1:${toPostern.port}`, application: echo.address });
    admin = createClients({ baseUrl: server.http, credential: TOKENS.admin });
    web = createClients({ baseUrl: server.http, credential: TOKENS.web });
    person = await createUser(admin.admin, ["editor", "staff"]);
    kept = await login(web.auth, person.email, { scope: ["read"] });
  });

  afterAll(async () => {
    admin?.[Symbol.dispose]();
    web?.[Symbol.dispose]();
    await front?.[Symbol.asyncDispose]();
    await echo?.[Symbol.asyncDispose]();
    await toPostern?.close();
    await server?.stop();
    await toPostgres?.close();
    await database?.drop();
    rmSync(folder, { recursive: true });
  });

  /** What the client is answered, and what came through to the application. */
  async function ask(
    path: string,
    headers: readonly Header[] = [],
    more: { method?: string; body?: string } = {},
  ) {
    const { method = "GET", body } = more;
    const before = echo.received.length;
    const length: Header[] = body === undefined ? [] : [["Content-Length", String(body.length)]];
    const { port, host } = new URL(front.url);
    const sent = request({
      host: "127.0.0.1",
      port,
      method,
      path,
      agent: false,
      headers: [["Host", host], ...length, ...headers].flat(),
    });
    sent.end(body);
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.resume();
    await once(response, "end");
    const came: EchoedRequest[] = echo.received.slice(before);
    return { status: response.statusCode, headers: response.headers, came };
  }
  const bearer = (token: string): Header => ["Authorization", `Bearer ${token}`];
  /** What an application reads as an identity; an empty header is none. */
  const identityOf = ({ headers }: EchoedRequest) =>
    Object.fromEntries(
      Object.entries(headers).filter(
        ([name, values]) => /^x[^a-z0-9]*postern/.test(name) && values.join() !== "",
      ),
    );
  const refused = (status: number) => ({ status, came: [] });

  describe("a good token", () => {
    test("passes, and the application hears whose it is", async () => {
      const { status, came } = await ask("/secret/a?b=c%2Fd", [bearer(kept.accessToken)]);
      expect(status).toBe(200);
      expect(came).toMatchObject([{ method: "GET", target: "/secret/a?b=c%2Fd" }]);
      expect(came.map(identityOf)).toEqual([
        {
          "x-postern-subject": [person.id],
          "x-postern-client": ["web"],
          "x-postern-session": [kept.sessionId],
          "x-postern-scope": ["read"],
          "x-postern-roles": ["editor,staff"],
        },
      ]);
    });

    test("passes with a body, which the application gets", async () => {
      const { status, came } = await ask("/secret/a", [bearer(kept.accessToken)], {
        method: "POST",
        body: "a body",
      });
      expect([status, came.map(({ method, body }) => [method, body])]).toEqual([200, [["POST", "a body"]]]);
    });

    test("without the scope of the route does not", async () => {
      expect(await ask("/write/a", [bearer(kept.accessToken)])).toMatchObject(refused(403));
    });

    test("does not pass from the answer of its revocation on", async () => {
      const tokens = await login(web.auth, person.email);
      const one = () => ask("/secret/a", [bearer(tokens.accessToken)]);
      expect((await one()).status).toBe(200);
      await web.auth.revoke({ target: { case: "token", value: tokens.refreshToken } });
      expect(await one()).toMatchObject(refused(401));
    });
  });

  test("no token is 401, with a challenge", async () => {
    const answer = await ask("/secret/a");
    expect(answer).toMatchObject(refused(401));
    expect(answer.headers["www-authenticate"]).toBe('Bearer realm="postern"');
  });

  test("a wrong token is 401 where tokens are looked at", async () => {
    const wrong = bearer(`${kept.accessToken.slice(0, -4)}AAAA`);
    const answer = await ask("/secret/a", [wrong]);
    expect(answer).toMatchObject(refused(401));
    expect(answer.headers["www-authenticate"]).toContain('error="invalid_token"');
    expect(await ask("/open/a", [wrong])).toMatchObject(refused(401));
    expect((await ask("/public/a", [wrong])).status).toBe(200);
  });

  test("what no route names is 403", async () => {
    for (const path of ["/", "/nothing", "/secret"]) {
      expect(await ask(path, [bearer(kept.accessToken)]), path).toMatchObject(refused(403));
    }
  });

  test("I01: two tokens in one request do not pass", async () => {
    const headers = [bearer(kept.accessToken), bearer(kept.accessToken)];
    const { status, came } = await ask("/secret/a", headers);
    expect(came).toEqual([]);
    expect(status).toBe(400);
  });

  describe("what a client says of its identity never comes through", () => {
    const spoofed: Header[] = [
      ["X-Postern-Subject", "usr_spoofed"],
      ["x-postern-subject", "usr_spoofed_twice"],
      ["X-Postern-Client", "spoofed"],
      ["X-Postern-Session", "ses_spoofed"],
      ["X-Postern-Scope", "spoofed"],
      ["X-POSTERN-ROLES", "admin"],
      ["X_Postern_Subject", "usr_spoofed"],
      ["x_postern_roles", "admin"],
      ["x-postern_roles", "admin"],
    ];

    test.each(["/public/a", "/open/a"])("without an identity: %s", async (path) => {
      const { status, came } = await ask(path, spoofed);
      expect([status, came.map(identityOf)]).toEqual([200, [{}]]);
    });

    test.each(["/open/a", "/secret/a"])("with a good token: %s", async (path) => {
      const { status, came } = await ask(path, [...spoofed, bearer(kept.accessToken)]);
      const identity = came.map(identityOf);
      expect([status, JSON.stringify(identity)]).toEqual([200, expect.not.stringContaining("spoofed")]);
      expect(identity).toMatchObject([
        { "x-postern-subject": [person.id], "x-postern-roles": ["editor,staff"] },
      ]);
    });

    test("on a public route even with one", async () => {
      const { came } = await ask("/public/a", [...spoofed, bearer(kept.accessToken)]);
      expect(came.map(identityOf)).toEqual([{}]);
    });
  });

  test.each(foldedIdentityNames)(
    "I10: a header that CGI maps to an identity header never reaches the application: %s",
    async (name) => {
      for (const [path, headers] of [
        ["/public/a", []],
        ["/open/a", []],
        ["/secret/a", [bearer(kept.accessToken)]],
      ] satisfies [string, Header[]][]) {
        const { status = 0, came } = await ask(path, [[name, "spoofed"], ...headers]);
        expect([200, 400], `${path} ${status}`).toContain(status);
        const values = came.flatMap((request) => Object.values(identityOf(request)));
        expect(values, path).not.toContainEqual(["spoofed"]);
      }
    },
  );

  test("I10: an identity header in the trailer section never reaches the application", async () => {
    const { port, host } = new URL(front.url);
    const before = echo.received.length;
    const sent = request({
      host: "127.0.0.1",
      port,
      method: "POST",
      path: "/public/a",
      agent: false,
      headers: { host, "transfer-encoding": "chunked", trailer: "x-postern-roles" },
    });
    sent.addTrailers({ "x-postern-roles": "admin" });
    sent.end("a body");
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.resume();
    await once(response, "end");
    const came = echo.received.slice(before);
    expect(came.map((one) => [one.body, identityOf(one), one.trailers])).toEqual([["a body", {}, []]]);
  });

  describe("I03: a request is checked as it is, not as its headers describe it", () => {
    test.each<[string, Header[]]>([
      [
        "as nginx tells",
        [
          ["X-Original-URI", "/public/a"],
          ["X-Original-Method", "GET"],
        ],
      ],
      [
        "as Traefik tells",
        [
          ["X-Forwarded-Uri", "/public/a"],
          ["X-Forwarded-Method", "GET"],
        ],
      ],
      ["by halves", [["X-Original-URI", "/public/a"]]],
      ["by the other halves", [["X-Forwarded-Method", "GET"]]],
      ["by another host", [["X-Forwarded-Host", "public.example.com"]]],
      [
        "by what others read",
        [
          ["X-Original-URL", "/public/a"],
          ["X-Rewrite-URL", "/public/a"],
        ],
      ],
    ])("%s", async (_, headers) => {
      expect(await ask("/secret/a", headers)).toMatchObject(refused(401));
      expect((await ask("/secret/a", [...headers, bearer(kept.accessToken)])).status).toBe(200);
    });
  });

  describe("I04: a path that can be read in several ways does not come through", () => {
    test.each([
      ...[
        "/public/../secret/a",
        "/public/%2e%2e/secret/a",
        "/public/..%2Fsecret/a",
        "//public/a",
        "/public//a",
      ],
      ...[
        "/public/..;/secret/a",
        "/public/%5c..%5csecret/a",
        "/public/%252e%252e/secret/a",
        "/PUBLIC/a",
        "/public/a%00",
      ],
      ...["/site/admin%20/x", "/site/admin%E2%80%8B/x", "/site/%EF%BD%81dmin/x", "/site/admin./x"],
      ...["/site/%20/admin/x", "/site/admin%EF%BC%9Bv/x", "/site/x/%E2%80%A5/admin/x"],
    ])("%s", async (path) => {
      const { status = 0, came } = await ask(path);
      expect(came).toEqual([]);
      expect(status).toBeGreaterThanOrEqual(400);
    });
  });

  describe("J04: while it cannot be known nothing passes, and the client may come again", () => {
    afterEach(async () => {
      toPostgres.restore();
      toPostern.restore();
      const token = bearer(kept.accessToken);
      const isBack = async () => ((await ask("/secret/a", [token])).status === 200 ? true : undefined);
      await poll("the way is free again", 45_000, isBack);
    });

    test("with Postgres lost", async () => {
      toPostgres.cut();
      const answer = await ask("/secret/a", [bearer(kept.accessToken)]);
      expect(answer).toMatchObject(refused(503));
      expect(answer.headers["retry-after"]).toBe("1");
    });

    test("with Postern lost", async () => {
      toPostern.cut();
      const { status, came } = await ask("/public/a");
      expect(came).toEqual([]);
      expect(status).toBe(passesEveryStatus ? 502 : 503);
    });
  });
}
