import { once } from "node:events";
import http2, { type OutgoingHttpHeaders } from "node:http2";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createVerifier } from "../../services/client/src/index.ts";
import { createClients } from "../support/clients/clients.ts";
import { sendRaw } from "../support/clients/raw-http.ts";
import { createUser, login } from "../support/people/people.ts";
import { freePort } from "../support/ports.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import {
  AUDIENCE,
  ISSUER,
  type ServerProcess,
  startServer,
  TOKENS,
} from "../support/servers/server-process.ts";

const INTROSPECT = "/postern.auth.v1.AuthService/Introspect";

let database: TestDatabase;
let server: ServerProcess;

beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({ databaseUrl: database.url, env: { POSTERN_ISSUER: `${ISSUER}/tenant` } });
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** A request that asks the server to close the connection after the response. */
function request(line: string, headers: readonly string[] = ["host: a"], body = ""): string {
  return `${[line, ...headers, "connection: close"].join("\r\n")}\r\n\r\n${body}`;
}

/** The status and headers of an HTTP/2 response. */
async function ask(headers: OutgoingHttpHeaders): Promise<Record<string, unknown>> {
  const session = http2.connect(server.grpc);
  try {
    const stream = session.request(headers);
    const [answer] = await once(stream, "response");
    stream.resume();
    await once(stream, "end");
    return answer;
  } finally {
    session.destroy();
  }
}

describe("a request target in absolute form (RFC 9112, section 3.2.2)", () => {
  test.each([
    "GET http://other.example/.well-known/jwks.json HTTP/1.1",
    "GET HTTP://127.0.0.1:80/.well-known/jwks.json?x=1 HTTP/1.1",
    "GET https://[::1]:8080/.well-known/jwks.json HTTP/1.1",
    "GET http://other.example/.well-known/openid-configuration HTTP/1.1",
  ])("is served on the http listener: %s", async (line) => {
    const answer = await sendRaw(server.http, request(line));
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toBeInstanceOf(Object);
  });

  test("is served for an RPC, and its host replaces the Host header", async () => {
    const headers = [
      ...["host: not a host", "content-type: application/json", "content-length: 15"],
      `authorization: Bearer ${TOKENS.web}`,
    ];
    const line = `POST http://other.example${INTROSPECT} HTTP/1.1`;
    // An invalid Host header is refused here too: a proxy may have used it.
    expect((await sendRaw(server.http, request(line, headers, '{"token":"abc"}'))).status).toBe(400);
    const good = headers.with(0, "host:");
    const answer = await sendRaw(server.http, request(line, good, '{"token":"abc"}'));
    expect([answer.status, answer.body]).toEqual([200, "{}"]);
  });

  test("is served by forward-auth", async () => {
    const headers = ["host: a", "x-forwarded-method: GET", "x-forwarded-uri: /"];
    const answer = await sendRaw(server.http, request("GET http://b/forward-auth HTTP/1.1", headers));
    expect(answer.status).toBe(401);
  });

  test("is served on the ops listener, and by HTTP/1.0 without a Host header", async () => {
    expect(await sendRaw(server.ops, request("GET http://b/livez HTTP/1.1"))).toMatchObject({ status: 200 });
    expect(await sendRaw(server.ops, "GET http://b/livez HTTP/1.0\r\n\r\n")).toMatchObject({ status: 200 });
  });

  test("without a path means the root", async () => {
    expect((await sendRaw(server.http, request("GET http://b HTTP/1.1"))).status).toBe(404);
    expect((await sendRaw(server.http, request("GET http://b?/livez HTTP/1.1"))).status).toBe(404);
  });

  test.each([
    "GET http://user:secret@b/livez HTTP/1.1",
    "GET http://user@b/livez HTTP/1.1",
    "GET http:///livez HTTP/1.1",
    "GET ftp://b/livez HTTP/1.1",
    "GET http://b/livez#here HTTP/1.1",
    "GET http://b:x/livez HTTP/1.1",
    "GET /livez#here HTTP/1.1",
    "GET * HTTP/1.1",
    "GET livez HTTP/1.1",
  ])("is refused if it is not a valid target: %s", async (line) => {
    for (const url of [server.http, server.ops]) {
      expect((await sendRaw(url, request(line))).status).toBe(400);
    }
  });
});

test("OPTIONS for the whole server is answered on every listener (RFC 9110, section 9.3.7)", async () => {
  for (const url of [server.http, server.ops]) {
    expect((await sendRaw(url, request("OPTIONS * HTTP/1.1"))).status).toBe(204);
  }
  expect((await ask({ ":method": "OPTIONS", ":path": "*" }))[":status"]).toBe(204);
});

test("CONNECT gets 501, because Postern is not a proxy", async () => {
  for (const url of [server.http, server.ops]) {
    expect((await sendRaw(url, "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n")).status).toBe(501);
  }
});

describe("the Host header (RFC 9112, section 3.2)", () => {
  const line = "GET /.well-known/jwks.json HTTP/1.1";

  test.each<[string, readonly string[]]>([
    ["missing", []],
    ["sent twice", ["host: a", "host: b"]],
    ["sent twice alike", ["Host: a", "host: a"]],
    ["a list", ["host: a, b"]],
    ["of several words", ["host: a b"]],
    ["with a path", ["host: a/b"]],
    ["with a user", ["host: a@b"]],
    ["with a port that is not a number", ["host: a:b"]],
  ])("%s is refused with 400", async (_, headers) => {
    expect((await sendRaw(server.http, request(line, headers))).status).toBe(400);
    expect((await sendRaw(server.ops, request("GET /livez HTTP/1.1", headers))).status).toBe(400);
    const rpc = [...headers, "content-type: application/json", "content-length: 2"];
    expect((await sendRaw(server.http, request(`POST ${INTROSPECT} HTTP/1.1`, rpc, "{}"))).status).toBe(400);
  });

  test.each(["a", "a.example.:8080", "[::1]:80", "127.0.0.1", "xn--bcher-kva.example", "a_b", "a:", ""])(
    "%j is served",
    async (host) => {
      expect((await sendRaw(server.http, request(line, [`host: ${host}`]))).status).toBe(200);
    },
  );
});

describe("the authority of a request by HTTP/2 (RFC 9113, section 8.3.1)", () => {
  const path = { ":path": "/.well-known/jwks.json" };

  test.each([
    { ":authority": "a", host: "b" },
    { ":authority": "a:80", host: "a:81" },
  ])("%j is refused with 400", async (headers) => {
    expect((await ask({ ...path, ...headers }))[":status"]).toBe(400);
  });

  test.each([{ ":authority": "a@b" }, { ":authority": "a b" }])(
    "%j is malformed, which resets the stream",
    async (headers) => {
      await expect(ask({ ...path, ...headers })).rejects.toThrow();
    },
  );

  test.each([{ ":authority": "a" }, { ":authority": "A:80", host: "a" }, { ":authority": "a", host: "a" }])(
    "%j is served",
    async (headers) => {
      expect((await ask({ ...path, ...headers }))[":status"]).toBe(200);
    },
  );
});

describe("a method that a resource does not allow gets 405 and the list of allowed methods (RFC 9110, section 15.5.6)", () => {
  const rpcs = [
    INTROSPECT,
    "/postern.auth.v1.AuthService/Login",
    "/postern.auth.v1.AuthService/WatchRevocations",
    "/postern.admin.v1.AdminService/ListUsers",
    "/envoy.service.auth.v3.Authorization/Check",
    "/grpc.health.v1.Health/Check",
  ];
  test.each(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])("%s for an RPC", async (method) => {
    for (const path of rpcs) {
      const answer = await sendRaw(
        server.http,
        request(`${method} ${path}?encoding=json&message={} HTTP/1.1`),
      );
      expect([answer.status, answer.headers["allow"]]).toEqual([405, "POST"]);
      expect(await ask({ ":method": method, ":path": path })).toMatchObject({
        ":status": 405,
        allow: "POST",
      });
    }
  });

  const readable: [string, () => string, number][] = [
    ["/.well-known/jwks.json", () => server.http, 200],
    ["/.well-known/oauth-authorization-server", () => server.http, 200],
    ["/.well-known/openid-configuration", () => server.http, 200],
    ["/livez", () => server.ops, 200],
    ["/readyz", () => server.ops, 200],
    ["/metrics", () => server.ops, 200],
  ];
  test.each(readable)("%s allows only GET and HEAD", async (path, url, status) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const answer = await sendRaw(url(), request(`${method} ${path} HTTP/1.1`));
      expect([answer.status, answer.headers["allow"]]).toEqual([405, "GET, HEAD"]);
    }
    const [get, head] = await Promise.all([
      sendRaw(url(), request(`GET ${path} HTTP/1.1`)),
      sendRaw(url(), request(`HEAD ${path} HTTP/1.1`)),
    ]);
    expect([get.status, head.status, head.body]).toEqual([status, status, ""]);
    expect(head.headers["content-type"]).toBe(get.headers["content-type"]);
  });

  test("an unknown path gets 404, with any method", async () => {
    for (const method of ["GET", "POST", "DELETE"]) {
      for (const url of [server.http, server.ops]) {
        expect((await sendRaw(url, request(`${method} /nothing HTTP/1.1`))).status).toBe(404);
      }
    }
  });
});

describe("a malformed request", () => {
  const long = "a".repeat(17 * 1024);
  const post = (headers: string, body: string) =>
    `POST ${INTROSPECT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n${headers}\r\n\r\n${body}`;

  test.each([
    ["one header of 17 KB", 431, `GET /livez HTTP/1.1\r\nhost: a\r\nx: ${long}\r\n\r\n`],
    ["a header name of 17 KB", 431, `GET /livez HTTP/1.1\r\nhost: a\r\n${long}: x\r\n\r\n`],
    ["another version", 505, "GET /livez HTTP/3.0\r\nhost: a\r\n\r\n"],
    ["the preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["an unknown method", 400, "FOO /livez HTTP/1.1\r\nhost: a\r\n\r\n"],
    ["no HTTP", 400, "\u00ff\u00ff\u00ff\u00ff\r\n\r\n"],
    ["a space before a colon", 400, "GET /livez HTTP/1.1\r\nhost : a\r\n\r\n"],
    ["two lengths", 400, post("content-length: 2\r\ncontent-length: 3", "{}")],
    ["the same length twice", 400, post("content-length: 2\r\ncontent-length: 2", "{}")],
    ["a length and a transfer coding", 400, post("content-length: 2\r\ntransfer-encoding: chunked", "{}")],
    ["two transfer codings", 400, post("transfer-encoding: chunked\r\ntransfer-encoding: chunked", "")],
    ["an unknown transfer coding", 501, post("transfer-encoding: gzip, chunked", "0\r\n\r\n")],
    [
      "a transfer coding by HTTP/1.0",
      400,
      post("transfer-encoding: chunked", "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"),
    ],
  ])("%s gets %d on every listener, and the connection is closed", async (_, status, text) => {
    for (const url of [server.http, server.ops]) {
      const answer = await sendRaw(url, text);
      expect([answer.status, answer.headers["connection"]]).toEqual([status, "close"]);
    }
  });

  test.each([
    ["trailers of 17 KB", 431, post("transfer-encoding: chunked", `2\r\n{}\r\n0\r\nx: ${long}\r\n\r\n`)],
    ["long chunk extensions", 413, post("transfer-encoding: chunked", `2;${long}\r\n{}\r\n0\r\n\r\n`)],
    ["a chunk of no length", 400, post("transfer-encoding: chunked", "x\r\n{}\r\n")],
  ])("%s gets %d when the body is read", async (_, status, text) => {
    const answer = await sendRaw(
      server.http,
      text.replace("content-type", `authorization: Bearer ${TOKENS.web}\r\ncontent-type`),
    );
    expect([answer.status, answer.headers["connection"]]).toEqual([status, "close"]);
  });

  test("is not answered before the previous request on the connection", async () => {
    const watch = [
      "POST /grpc.health.v1.Health/Watch HTTP/1.1",
      ...["host: a", "content-type: application/grpc-web+proto", "content-length: 5"],
    ].join("\r\n");
    const socket = connect({ port: Number(new URL(server.http).port), host: "127.0.0.1" });
    const pieces: Buffer[] = [];
    const result = () => Buffer.concat(pieces).toString("latin1");
    socket.on("data", (piece) => pieces.push(piece)).on("error", () => {});
    socket.write(`${watch}\r\n\r\n\0\0\0\0\0`, "latin1");
    await once(socket, "data");
    const closed = once(socket, "close");
    socket.write("no HTTP\r\n\r\n");
    await closed;
    expect(result().match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200"]);
  });
});

describe("an issuer with a path", () => {
  test("has its keys at the path in its metadata, whether a proxy strips the path or not", async () => {
    const names = ["oauth-authorization-server", "openid-configuration"].map(
      (name) => `/.well-known/${name}`,
    );
    for (const path of names.flatMap((name) => [name, `${name}/tenant`, `/tenant${name}`])) {
      const metadata = await (await fetch(server.http + path)).json();
      expect(metadata).toMatchObject({
        issuer: `${ISSUER}/tenant`,
        jwks_uri: `${ISSUER}/tenant/.well-known/jwks.json`,
      });
    }
    const keys = await (await fetch(`${server.http}/.well-known/jwks.json`)).text();
    const advertised = await fetch(`${server.http}/tenant/.well-known/jwks.json`);
    expect([advertised.status, await advertised.text()]).toEqual([200, keys]);
  });

  test("needs no other setting in a verifier without the feed, which finds the keys through discovery", async () => {
    await using own = await createDatabase();
    const port = await freePort();
    const issuer = `http://127.0.0.1:${port}/tenant`;
    await using local = await startServer({
      databaseUrl: own.url,
      env: { POSTERN_ISSUER: issuer, POSTERN_HTTP_ADDR: `127.0.0.1:${port}` },
    });
    using clients = createClients({ baseUrl: local.http, credential: TOKENS.admin });
    const { email } = await createUser(clients.admin);
    const { accessToken, session } = await login(clients.auth, email, { audience: [AUDIENCE] });
    const verifier = createVerifier({ issuer, audience: AUDIENCE, revocations: false });
    try {
      expect(await verifier.verify(accessToken)).toMatchObject({ sessionId: session.id });
    } finally {
      await verifier.close();
    }
  });
});
