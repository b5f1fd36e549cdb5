import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClients, type Protocol } from "../support/clients/clients.ts";
import { startTcpProxy, type TcpProxy } from "../support/faults/tcp-proxy.ts";
import { createUser, login } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import {
  AUDIENCE,
  ISSUER,
  type ServerProcess,
  startServer,
  TOKENS,
} from "../support/servers/server-process.ts";

const ROOT = `${import.meta.dirname}/../..`;
const BUF = `${ROOT}/node_modules/.bin/buf`;
/** Debian's own: it is the one that python3-jwt belongs to. */
const PYTHON = "/usr/bin/python3";
const execute = promisify(execFile);
const pyjwt = await execute(PYTHON, ["-c", "import jwt, cryptography"]).then(
  () => true,
  () => false,
);

let database: TestDatabase;
let proxy: TcpProxy;
let server: ServerProcess;
let email: string;

beforeAll(async () => {
  database = await createDatabase();
  const { hostname: host, port } = new URL(database.url);
  proxy = await startTcpProxy({ host, port: Number(port) });
  server = await startServer({ databaseUrl: proxy.through(database.url) });
  using clients = createClients({ baseUrl: server.http, credential: TOKENS.admin });
  email = (await createUser(clients.admin)).email;
});

afterAll(async () => {
  await server?.stop();
  await proxy?.close();
  await database?.drop();
});

async function newTokens() {
  using clients = createClients({ baseUrl: server.http, credential: TOKENS.web });
  return login(clients.auth, email, { scope: ["read", "write"] });
}

const bufProtocols = ["grpc", "grpcweb", "connect"] as const;

/** What `buf curl` says to a message: the answers, one after the other. */
async function curl(
  to: Pick<ServerProcess, "http" | "grpc">,
  protocol: (typeof bufProtocols)[number],
  method: string,
  message: unknown,
  credential: string = TOKENS.web,
): Promise<Record<string, unknown>[]> {
  const { stdout } = await execute(
    BUF,
    [
      ...["curl", "--schema", "proto", "--protocol", protocol, "--emit-defaults"],
      ...(protocol === "grpc" ? ["--http2-prior-knowledge"] : []),
      ...["--header", `authorization: Bearer ${credential}`, "--data", JSON.stringify(message)],
      `${protocol === "grpc" ? to.grpc : to.http}/postern.auth.v1.AuthService/${method}`,
    ],
    { cwd: ROOT },
  );
  return stdout.split(/(?<=^\}\n)/m).map((answer) => JSON.parse(answer));
}

describe.each(bufProtocols)("`buf curl` by %s", (protocol) => {
  test("Refresh, Introspect, Revoke, Introspect", async () => {
    const { refreshToken, sessionId } = await newTokens();
    const ask = async (method: string, message: unknown) => {
      const [answer, ...more] = await curl(server, protocol, method, message);
      expect(more).toEqual([]);
      return answer ?? {};
    };
    const refreshed = await ask("Refresh", { refresh_token: refreshToken });
    const tokens = refreshed["tokens"] as Record<string, string>;
    expect(tokens).toMatchObject({ tokenType: "Bearer", expiresIn: 300, scope: ["read", "write"] });
    const token = tokens["accessToken"];
    expect(await ask("Introspect", { token })).toMatchObject({
      active: true,
      tokenType: "Bearer",
      sessionId,
      username: email,
      issuer: ISSUER,
      clientId: "web",
      audience: [AUDIENCE],
      scope: ["read", "write"],
      amr: ["pwd"],
    });
    const revoked = await ask("Revoke", { token: tokens["refreshToken"] });
    expect(Number(revoked["sequence"])).toBeGreaterThan(0);
    const inactive = await ask("Introspect", { token });
    expect(inactive).toMatchObject({ active: false, subject: "", sessionId: "", scope: [] });
  });
});

test("WatchRevocations by `buf curl`, until the server stops", { timeout: 60_000 }, async () => {
  await using own = await createDatabase();
  await using stopping = await startServer({ databaseUrl: own.url });
  using clients = createClients({ baseUrl: stopping.http, credential: TOKENS.admin });
  await clients.auth.revoke({ target: { case: "clientId", value: "some client" } });
  const heard = bufProtocols.map((protocol) =>
    curl(stopping, protocol, "WatchRevocations", {}, TOKENS.admin),
  );
  const metric = async (name: string) => (await readMetrics(stopping.ops)).get(name) ?? 0;
  const reads = () => metric('postern_head_reads_total{outcome="answered"}');
  const until = (what: string, isSo: () => Promise<boolean>) =>
    poll(what, 50_000, async () => ((await isSo()) ? true : undefined));
  await until("all watch", async () => (await metric("postern_watchers")) === bufProtocols.length);
  const before = await reads();
  // A watcher from before two reads has received one.
  await until("the log is read", async () => (await reads()) >= before + 2);
  await stopping.stop();
  for (const [first, ...more] of await Promise.all(heard)) {
    expect(first).toMatchObject({
      revocations: [{ sequence: "1", clientId: "some client", id: expect.stringMatching(/^rev_/) }],
      keys: { jwks: expect.stringContaining("ES256") },
      checkpoint: { sequence: "1", maxStaleness: "10s" },
    });
    for (const message of more) expect(message).toMatchObject({ revocations: [], cursor: first?.["cursor"] });
  }
});

test("health by gRPC", async () => {
  const { stdout } = await execute(
    BUF,
    [
      ...["curl", "--schema", "proto", "--protocol", "grpc", "--http2-prior-knowledge"],
      ...[
        "--data",
        '{"service":"postern.auth.v1.AuthService"}',
        `${server.grpc}/grpc.health.v1.Health/Check`,
      ],
    ],
    { cwd: ROOT },
  );
  expect(JSON.parse(stdout)).toEqual({ status: "SERVING" });
});

describe("the published keys", () => {
  const jwks = () => `${server.http}/.well-known/jwks.json`;

  test("verify an access token with jose", async () => {
    const { accessToken } = await newTokens();
    const { payload, protectedHeader } = await jwtVerify(accessToken, createRemoteJWKSet(new URL(jwks())), {
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: "at+jwt",
      requiredClaims: ["sub", "exp", "iat", "jti", "sid", "client_id", "scope", "auth_time", "rev"],
    });
    expect(protectedHeader).toMatchObject({ alg: "ES256", kid: expect.any(String) });
    expect(payload).toMatchObject({ client_id: "web", scope: "read write" });
    const other = jwtVerify(accessToken, createRemoteJWKSet(new URL(jwks())), { audience: "another" });
    await expect(other).rejects.toThrow("aud");
  });

  test.skipIf(!pyjwt)(
    "verify one with PyJWT (skipped where /usr/bin/python3 has no python3-jwt)",
    async () => {
      const { accessToken, session } = await newTokens();
      const script = [
        "import json, jwt, sys",
        "given = json.load(sys.stdin)",
        'key = jwt.PyJWKClient(given["jwks"]).get_signing_key_from_jwt(given["token"]).key',
        "claims = jwt.decode(given['token'], key, algorithms=['ES256'], audience=given['aud'], issuer=given['iss'])",
        "print(json.dumps(claims))",
      ].join("\n");
      const run = execute(PYTHON, ["-c", script], { env: { PATH: process.env["PATH"] } });
      run.child.stdin?.end(JSON.stringify({ jwks: jwks(), token: accessToken, aud: AUDIENCE, iss: ISSUER }));
      expect(JSON.parse((await run).stdout)).toMatchObject({ sub: session.userId, sid: session.id });
    },
  );

  test("are public, may be kept for a while, and are not sent twice", async () => {
    const first = await fetch(jwks());
    expect(first.status).toBe(200);
    expect(first.headers.get("content-type")).toBe("application/jwk-set+json");
    expect(first.headers.get("cache-control")).toBe("public, max-age=300");
    const { keys } = (await first.json()) as { keys: Record<string, unknown>[] };
    // The next key may already be prepared.
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      expect(key).toMatchObject({ kty: "EC", crv: "P-256", use: "sig", alg: "ES256" });
      expect(key).not.toHaveProperty("d");
    }
    const etag = first.headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[\w-]+"$/);
    const second = await fetch(jwks(), { headers: { "if-none-match": etag } });
    expect([second.status, await second.text()]).toEqual([304, ""]);
    expect(second.headers.get("etag")).toBe(etag);
    expect((await fetch(jwks(), { headers: { "if-none-match": '"another"' } })).status).toBe(200);
    expect((await fetch(jwks(), { method: "HEAD" })).headers.get("etag")).toBe(etag);
    expect((await fetch(jwks(), { method: "POST" })).status).toBe(405);
  });
});

describe.each(["connect", "grpc-web", "grpc"] as const)("an error by %s", (protocol: Protocol) => {
  const clientsWith = (credential: string) =>
    createClients({ baseUrl: protocol === "grpc" ? server.grpc : server.http, protocol, credential });

  function describeError(thrown: unknown) {
    const error = ConnectError.from(thrown);
    const [detail, ...more] = error.findDetails(ErrorDetailSchema);
    expect(more).toEqual([]);
    return {
      reason: detail && Reason[detail.reason],
      retryAfter: detail?.retryAfter?.seconds,
      requestId: error.metadata.get("x-request-id"),
      retryAfterHeader: error.metadata.get("retry-after"),
    };
  }

  test.each([
    ["of the gate", "no credential of anybody", "INVALID_CLIENT"],
    ["of the message", TOKENS.web, "INVALID_REQUEST"],
  ])("%s carries its reason and the request's id", async (_, credential, reason) => {
    using clients = clientsWith(credential);
    const headers = { "x-request-id": `by-${protocol}` };
    const error = await clients.auth.introspect({}, { headers }).catch(describeError);
    expect(error).toMatchObject({ reason, requestId: `by-${protocol}`, retryAfterHeader: null });
  });

  test("that is temporary has a retry delay", async () => {
    using clients = clientsWith(TOKENS.web);
    const { accessToken: token } = await newTokens();
    proxy.cut();
    try {
      const error = await clients.auth.introspect({ token }).catch(describeError);
      expect(error).toMatchObject({ reason: "UNAVAILABLE", retryAfter: 1n, retryAfterHeader: "1" });
      expect(error).toMatchObject({ requestId: expect.stringMatching(/^[\w-]{36}$/) });
    } finally {
      proxy.restore();
    }
    const again = () => clients.auth.introspect({ token });
    expect((await poll("the database is back", 20_000, again)).active).toBe(true);
  });
});
