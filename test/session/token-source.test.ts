import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bearer } from "../../services/client/src/connect/bearer.ts";
import { createTokenSource } from "../../services/client/src/token-source/create-token-source.ts";
import { posternSession } from "../../services/client/src/token-source/postern-session.ts";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { createUser, PASSWORD } from "../support/people/people.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { ISSUER, type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

let database: TestDatabase;
let server: ServerProcess;
let admin: Clients;

beforeAll(async () => {
  database = await createDatabase();
  // Strict: what is spent is spent at once.
  server = await startServer({ databaseUrl: database.url, env: { POSTERN_REFRESH_GRACE: "0s" } });
  admin = createClients({ baseUrl: server.http, credential: TOKENS.admin });
});
afterAll(async () => {
  admin?.[Symbol.dispose]();
  await server?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

async function setUp() {
  const { email, id } = await createUser(admin.admin);
  const result: string[] = [];
  const onRefreshToken = (refreshToken: string) => void result.push(refreshToken);
  const login = { identifier: email, password: PASSWORD, scope: ["read"], device: "a test" };
  const options = { baseUrl: server.http, token: TOKENS.web, login, onRefreshToken };
  return { id, email, result, options };
}

const introspect = (token: string) => admin.auth.introspect({ token });
const withCode = (code: string) => expect.objectContaining({ name: "PosternError", code });

test.each(["1.1", "2"] as const)(
  "logs in, refreshes, and hands each new refresh token over: HTTP/%s",
  async (httpVersion) => {
    const { id, result, options } = await setUp();
    const baseUrl = httpVersion === "2" ? server.grpc : server.http;
    const origin = posternSession({ ...options, baseUrl, httpVersion });
    const first = await introspect(await createTokenSource(origin).token());
    expect(first).toMatchObject({ active: true, subject: id, scope: ["read"] });
    const { accessToken, expiresInMs } = await origin.obtain();
    expect(expiresInMs).toBe(300_000);
    expect(await introspect(accessToken)).toMatchObject({ active: true, sessionId: first.sessionId });
    expect(new Set(result).size).toBe(2);
  },
);

test("goes on from the refresh token that was handed over last", async () => {
  const { result, options } = await setUp();
  const before = await introspect(await createTokenSource(posternSession(options)).token());
  const { login: _, ...rest } = options;
  const source = createTokenSource(posternSession({ ...rest, refreshToken: result.at(-1) ?? "" }));
  expect(await introspect(await source.token())).toMatchObject({ active: true, sessionId: before.sessionId });
});

/** Forwards calls to the server, and loses answers that the test selects. */
async function startLossyProxy() {
  let lose = 0;
  const proxy = createServer(async (request, response) => {
    const body = await buffer(request);
    const headers = new Headers(request.headers as Record<string, string>);
    for (const name of ["connection", "host", "content-length", "transfer-encoding", "accept-encoding"]) {
      headers.delete(name);
    }
    const answer = await fetch(`${server.http}${request.url}`, { method: "POST", headers, body });
    const answered = Buffer.from(await answer.arrayBuffer());
    if (lose > 0) {
      lose -= 1;
      request.socket.destroy();
      return;
    }
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
    response.end(answered);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    loseNext(count: number) {
      lose = count;
    },
    async [Symbol.asyncDispose]() {
      proxy.close();
      proxy.closeAllConnections();
      await once(proxy, "close");
    },
  };
}

test.each([
  ["within one try", 1],
  ["by a later try", 3],
])("C08: a lost answer of a refresh costs no session, %s", async (_, lost) => {
  const { result, options } = await setUp();
  await using proxy = await startLossyProxy();
  const origin = posternSession({ ...options, baseUrl: proxy.url });
  const before = await introspect((await origin.obtain()).accessToken);
  proxy.loseNext(lost);
  if (lost === 3) await expect(origin.obtain()).rejects.toEqual(withCode("ERR_UNAVAILABLE"));
  const { accessToken } = await origin.obtain();
  expect(await introspect(accessToken)).toMatchObject({ active: true, sessionId: before.sessionId });
  expect(result).toHaveLength(2);
});

describe("when its session is revoked, a source", () => {
  test("with a login logs in again", async () => {
    const { id, options } = await setUp();
    const origin = posternSession(options);
    const before = await introspect((await origin.obtain()).accessToken);
    await admin.auth.revoke({ target: { case: "sessionId", value: before.sessionId } });
    const after = await introspect((await origin.obtain()).accessToken);
    expect(after).toMatchObject({ active: true, subject: id });
    expect(after.sessionId).not.toBe(before.sessionId);
  });

  test("without one is at its end", async () => {
    const { result, options } = await setUp();
    const { sessionId } = await introspect((await posternSession(options).obtain()).accessToken);
    await admin.auth.revoke({ target: { case: "sessionId", value: sessionId } });
    const { login: _, ...rest } = options;
    const source = createTokenSource(posternSession({ ...rest, refreshToken: result.at(-1) ?? "" }));
    await expect(source.token()).rejects.toEqual(withCode("ERR_SESSION_ENDED"));
  });
});

test.each([
  ["the password", { login: { identifier: "nobody@example.com", password: "not the password" } }],
  ["the secret token", { token: "x".repeat(40) }],
  ["a scope", { scope: ["all"] }],
])("a login that is refused for %s says so, and nothing of the secrets", async (_, change) => {
  const { options } = await setUp();
  const { scope, ...rest } = { scope: ["read"], ...change };
  const wrong = { ...options, ...rest };
  const source = createTokenSource(posternSession({ ...wrong, login: { ...wrong.login, scope } }));
  const error = await source.token().catch((thrown) => thrown);
  expect(error).toEqual(withCode("ERR_LOGIN_REFUSED"));
  for (const secret of [wrong.login.password, wrong.token]) expect(error.message).not.toContain(secret);
});

test("without a server it is unavailable", async () => {
  const { options } = await setUp();
  const source = createTokenSource(posternSession({ ...options, baseUrl: "http://127.0.0.1:1" }));
  await expect(source.token()).rejects.toEqual(withCode("ERR_UNAVAILABLE"));
});

test("its tokens open Postern's own services to an administrator, by `bearer`", async () => {
  const { email } = await createUser(admin.admin, ["admin"]);
  const login = { identifier: email, password: PASSWORD, audience: [`${ISSUER}/postern`] };
  const source = createTokenSource(posternSession({ baseUrl: server.http, token: TOKENS.admin, login }));
  const transport = createConnectTransport({
    baseUrl: server.http,
    httpVersion: "1.1",
    interceptors: [bearer(source)],
  });
  const auth = createClient(AuthService, transport);
  expect(await auth.introspect({ token: await source.token() })).toMatchObject({ active: true });
  const refused = createClient(
    AuthService,
    createConnectTransport({ baseUrl: server.http, httpVersion: "1.1" }),
  ).introspect({ token: "x" });
  await expect(refused).rejects.toMatchObject({ code: Code.Unauthenticated });
});
