import { createHmac, createPublicKey, type JsonWebKey } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { foldedIdentityNames } from "../support/clients/folded-names.ts";
import { createUser, login } from "../support/people/people.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type Echo, startEcho } from "../support/servers/echo.ts";
import { type FrontProxy, isInstalled, readdress, startFrontProxy } from "../support/servers/front-proxy.ts";
import {
  AUDIENCE,
  ISSUER,
  type ServerProcess,
  startServer,
  TOKENS,
} from "../support/servers/server-process.ts";

const program = "/usr/sbin/haproxy";

describe.skipIf(!(await isInstalled(program)))(
  `deploy/proxies/haproxy/haproxy.cfg, which knows of Postern its key alone (skipped where ${program} is not installed)`,
  () => {
    let database: TestDatabase;
    let server: ServerProcess;
    let echo: Echo;
    let front: FrontProxy;
    let admin: Clients;
    let web: Clients;
    let email: string;
    let pem: string;

    beforeAll(async () => {
      database = await createDatabase();
      server = await startServer({ databaseUrl: database.url });
      const published = await fetch(`${server.http}/.well-known/jwks.json`);
      const { keys } = (await published.json()) as { keys: JsonWebKey[] };
      pem = String(
        createPublicKey({ key: keys[0] ?? {}, format: "jwk" }).export({ type: "spki", format: "pem" }),
      );
      echo = await startEcho();
      front = await start(pem, echo.address);
      admin = createClients({ baseUrl: server.http, credential: TOKENS.admin });
      web = createClients({ baseUrl: server.http, credential: TOKENS.web });
      email = (await createUser(admin.admin)).email;
    });

    afterAll(async () => {
      admin?.[Symbol.dispose]();
      web?.[Symbol.dispose]();
      await front?.[Symbol.asyncDispose]();
      await echo?.[Symbol.asyncDispose]();
      await server?.stop();
      await database?.drop();
    });

    async function ask(token: string | undefined, more: Readonly<Record<string, string>> = {}) {
      const before = echo.received.length;
      const headers = { ...more, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
      const { status } = await fetch(`${front.url}/a`, { headers });
      return { status, came: echo.received.slice(before) };
    }
    const refused = { status: 401, came: [] };

    test("a good token passes, and with it nothing that the client says of its identity", async () => {
      const { accessToken } = await login(web.auth, email);
      const { status, came } = await ask(accessToken, {
        "x-postern-subject": "usr_spoofed",
        "x-postern-roles": "admin",
      });
      expect(status).toBe(200);
      expect(
        came.map(({ headers }) => Object.keys(headers).filter((name) => name.includes("postern"))),
      ).toEqual([[]]);
    });

    test("I10: no header that CGI maps to an identity header passes with a valid token", async () => {
      const { accessToken } = await login(web.auth, email);
      const spoofed = Object.fromEntries(foldedIdentityNames.map((name) => [name, "spoofed"]));
      const { status, came } = await ask(accessToken, { ...spoofed, "x-other.name": "kept" });
      expect(status).toBe(200);
      expect(
        came.flatMap(({ headers }) => Object.keys(headers).filter((name) => /postern/i.test(name))),
      ).toEqual([]);
      expect(came).toMatchObject([{ headers: { "x-other.name": ["kept"] } }]);
    });

    test("I10: an identity header in the trailer section never becomes a header", async () => {
      const { accessToken } = await login(web.auth, email);
      const before = echo.received.length;
      const { host, port } = new URL(front.url);
      const sent = request({
        host: "127.0.0.1",
        port,
        method: "POST",
        path: "/a",
        agent: false,
        headers: {
          host,
          authorization: `Bearer ${accessToken}`,
          "transfer-encoding": "chunked",
          trailer: "x-postern-roles",
        },
      });
      sent.addTrailers({ "x-postern-roles": "admin" });
      sent.end("a body");
      const [response] = await once(sent, "response");
      response.resume();
      await once(response, "end");
      const came = echo.received.slice(before);
      expect(came.map(({ body }) => body)).toEqual(["a body"]);
      expect(
        came.flatMap(({ headers }) => Object.keys(headers).filter((name) => /postern/i.test(name))),
      ).toEqual([]);
    });

    test("I10: an upgrade to HTTP/2 is refused, because no rule would apply to requests inside it", async () => {
      const { accessToken } = await login(web.auth, email);
      for (const upgrade of ["h2c", "H2C", "h2", "websocket, h2c"]) {
        const before = echo.received.length;
        const headers = { authorization: `Bearer ${accessToken}`, connection: "Upgrade", upgrade };
        const sent = request(`${front.url}/a`, { agent: false, headers }).end();
        const [response] = await once(sent, "response");
        response.resume();
        await once(response, "end");
        const came = echo.received.slice(before);
        expect([upgrade, response.statusCode, came]).toEqual([upgrade, 400, []]);
      }
    });

    test("no token and other tokens do not", async () => {
      const { accessToken, refreshToken } = await login(web.auth, email);
      const elsewhere = await login(admin.auth, email, { audience: ["https://elsewhere.test"] });
      const [header = "", payload = "", signature = ""] = accessToken.split(".");
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
      const unsigned = `${part({ alg: "none", typ: "at+jwt" })}.${payload}`;
      const hmac = `${part({ alg: "HS256", typ: "at+jwt" })}.${payload}`;
      const tokens: Readonly<Record<string, string | undefined>> = {
        none: undefined,
        "a refresh token": refreshToken,
        "a secret token": TOKENS.admin,
        "another's audience": elsewhere.accessToken,
        "another signature": `${header}.${payload}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`,
        "no signature": `${header}.${payload}.`,
        "another subject": `${header}.${part({ ...claims, sub: "usr_spoofed" })}.${signature}`,
        "A01: no algorithm": `${unsigned}.`,
        "A02: the key as a secret": `${hmac}.${createHmac("sha256", pem).update(hmac).digest("base64url")}`,
      };
      for (const [name, token] of Object.entries(tokens)) expect(await ask(token), name).toEqual(refused);
    });

    test("nor one whose time is over", async () => {
      await advanceClock(database.url, -7_200_000);
      const { accessToken } = await login(web.auth, email);
      await advanceClock(database.url, 7_200_000);
      expect(await ask(accessToken)).toEqual(refused);
    });

    test("one that was revoked passes until its time is over: of revocations it does not hear", async () => {
      const { accessToken } = await login(web.auth, email);
      await web.auth.revoke({ target: { case: "token", value: accessToken } });
      expect((await web.auth.introspect({ token: accessToken })).active).toBe(false);
      expect((await ask(accessToken)).status).toBe(200);
    });
  },
);

async function start(pem: string, application: string): Promise<FrontProxy> {
  const example = await readFile(`${import.meta.dirname}/../../deploy/proxies/haproxy/haproxy.cfg`, "utf8");
  return startFrontProxy({
    program,
    words: () => ["-db", "-f", "haproxy.cfg"],
    files: ({ folder, port }) => ({
      "postern.pem": pem,
      "haproxy.cfg": readdress(example, {
        "127.0.0.1:8000": `127.0.0.1:${port}`,
        "127.0.0.1:3000": application,
        "/etc/haproxy/postern.pem": `${folder}/postern.pem`,
        "https://auth.example.com": ISSUER,
        "https://api.example.com": AUDIENCE,
      }),
    }),
  });
}
