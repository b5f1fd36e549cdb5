import { gzipSync } from "node:zlib";
import { ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClients, reasonOf } from "../support/clients/clients.ts";
import {
  connectCode,
  connectReason,
  frame,
  grpc,
  grpcStatus,
  post,
  postJson,
  type WireAnswer,
} from "../support/clients/wire.ts";
import { createUser, login, PASSWORD } from "../support/people/people.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const AUTH = "/postern.auth.v1.AuthService";
const ADMIN = "/postern.admin.v1.AdminService";
const authorization = `Bearer ${TOKENS.admin}`;

let database: TestDatabase;
let server: ServerProcess;

beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({ databaseUrl: database.url, env: { POSTERN_LOG_LEVEL: "debug" } });
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** The code of a binary message's answer by each protocol, as Connect names it. */
async function binaryCodes(path: string, message: Uint8Array): Promise<Record<string, string>> {
  const names: Record<number, string> = { 3: "invalid_argument" };
  const named = (answer: WireAnswer) => names[grpcStatus(answer)] ?? `status ${grpcStatus(answer)}`;
  const send = (type: string, body: Uint8Array) =>
    post(
      `${server.http}${path}`,
      [
        ["content-type", type],
        ["authorization", authorization],
      ],
      body,
    );
  return {
    connect: connectCode(await send("application/proto", message)),
    "grpc-web": named(await send("application/grpc-web+proto", frame(message))),
    grpc: named(await grpc(server.grpc, path, { authorization }, frame(message))),
  };
}
const allInvalid = { connect: "invalid_argument", "grpc-web": "invalid_argument", grpc: "invalid_argument" };

describe("E06 text that is not Unicode", () => {
  test.each(["\\ud800", "a\\udfffb", "\\ud800\\ud800"])("%s in JSON", async (text) => {
    for (const [path, member] of [
      [`${AUTH}/Introspect`, "token"],
      [`${AUTH}/Refresh`, "refreshToken"],
      [`${ADMIN}/CreateUser`, "email"],
    ]) {
      const answer = await postJson(`${server.http}${path}`, TOKENS.admin, `{"${member}":"${text}"}`);
      expect([answer.status, connectCode(answer)]).toEqual([400, "invalid_argument"]);
    }
  });

  test.each([
    ["a continuation that is missing", [0xc3, 0x28]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["an overlong form", [0xc0, 0xaf]],
    ["beyond the last character", [0xf5, 0x80, 0x80, 0x80]],
  ])("%s in binary", async (_, bytes) => {
    const message = Uint8Array.from([0x0a, bytes.length, ...bytes]);
    expect(await binaryCodes(`${AUTH}/Introspect`, message)).toEqual(allInvalid);
    expect(await binaryCodes(`${ADMIN}/CreateUser`, message)).toEqual(allInvalid);
  });

  test("a binary message that ends early", async () => {
    expect(await binaryCodes(`${AUTH}/Introspect`, Uint8Array.from([0x0a, 50, 0x61]))).toEqual(allInvalid);
  });
});

describe("E06 JSON that is not valid UTF-8 is refused, and not repaired", () => {
  const bytes = Buffer.from('{"token":"abc\u00f6"}', "latin1");
  const answers: [string, (body: Buffer) => Promise<WireAnswer>][] = [
    ["plain", (body) => postJson(`${server.http}${AUTH}/Introspect`, TOKENS.admin, body)],
    [
      "with a charset",
      (body) =>
        post(
          `${server.http}${AUTH}/Introspect`,
          [
            ["content-type", "application/json; charset=utf-8"],
            ["authorization", authorization],
          ],
          body,
        ),
    ],
    [
      "compressed",
      (body) =>
        postJson(`${server.http}${AUTH}/Introspect`, TOKENS.admin, gzipSync(body), [
          ["content-encoding", "gzip"],
        ]),
    ],
  ];

  test.each(answers)("a body %s", async (_, send) => {
    for (const body of [
      bytes,
      Buffer.from([0xff, 0xfe, ...Buffer.from('{"token":"abc"}', "utf16le")]),
      Buffer.from('{"token":"abc"}', "utf16le"),
      Buffer.from('{"token":"\u00e4\u00f6', "latin1"),
      Buffer.concat([Buffer.from('{"token":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
      Buffer.concat([Buffer.from('{"token":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]),
      Buffer.concat([Buffer.from('{"unknown":"'), Buffer.from([0xe4]), Buffer.from('"}')]),
    ]) {
      const answer = await send(body);
      expect([answer.status, connectCode(answer)]).toEqual([400, "invalid_argument"]);
      expect(connectReason(answer)).toBe("INVALID_REQUEST");
      expect(answer.body.toString()).not.toContain("abc");
    }
    // RFC 8259, section 8.1 lets a parser ignore a byte order mark.
    const marked = Buffer.from('\ufeff{"token":"abc"}');
    expect((await send(marked)).body.toString()).toBe("{}");
  });

  test.each([false, true])("in an envelope of gRPC or gRPC-Web, compressed: %s", async (isCompressed) => {
    const path = `${AUTH}/Introspect`;
    const body = frame(isCompressed ? gzipSync(bytes) : bytes, isCompressed);
    const encoding: [string, string][] = isCompressed ? [["grpc-encoding", "gzip"]] : [];
    const type = ["content-type", "application/grpc-web+json"] as const;
    const byWeb = await post(
      `${server.http}${path}`,
      [type, ["authorization", authorization], ...encoding],
      body,
    );
    expect(grpcStatus(byWeb)).toBe(3);
    const headers = {
      authorization,
      "content-type": "application/grpc+json",
      ...Object.fromEntries(encoding),
    };
    expect(grpcStatus(await grpc(server.grpc, path, headers, body))).toBe(3);
  });

  test.each([false, true])("in an envelope of a Connect stream, compressed: %s", async (isCompressed) => {
    const message = Buffer.from('{"cursor":"\u00f6"}', "latin1");
    const answer = await post(
      `${server.http}${AUTH}/WatchRevocations`,
      [
        ["content-type", "application/connect+json"],
        ["authorization", authorization],
        ...(isCompressed ? [["connect-content-encoding", "gzip"] as const] : []),
      ],
      frame(isCompressed ? gzipSync(message) : message, isCompressed),
    );
    expect(JSON.parse(answer.body.subarray(5).toString()).error.code).toBe("invalid_argument");
  });

  test("in SetPassword, so that no password matches other bytes than it was set with", async () => {
    using clients = createClients({ baseUrl: server.http, credential: TOKENS.admin });
    const { id } = await createUser(clients.admin);
    const body = Buffer.from(`{"userId":"${id}","password":"a long \u00f6 password"}`, "latin1");
    const answer = await postJson(`${server.http}${ADMIN}/SetPassword`, TOKENS.admin, body);
    expect(connectCode(answer)).toBe("invalid_argument");
    expect(answer.body.toString()).not.toContain("long");
  });

  test("members named like those of a JavaScript object are refused like any unknown member", async () => {
    for (const member of ["__proto__", "constructor", "toString"]) {
      const body = `{"${member}":{"token":"a"}}`;
      const answer = await postJson(`${server.http}${AUTH}/Introspect`, TOKENS.admin, body);
      expect(connectCode(answer)).toBe("invalid_argument");
    }
  });
});

describe("E06 E13 a compressed message that is malformed is refused like any other", () => {
  const malformed = Uint8Array.from([0x0a, 50, 0x61]);
  test("a malformed binary message, and data that is not gzip", async () => {
    const path = `${AUTH}/Introspect`;
    const web: [string, string] = ["authorization", authorization];
    for (const message of [
      gzipSync(malformed),
      gzipSync(malformed).subarray(0, 12),
      Buffer.from("no gzip"),
    ]) {
      const unary = await post(
        `${server.http}${path}`,
        [["content-type", "application/proto"], web, ["content-encoding", "gzip"]],
        message,
      );
      expect([unary.status, connectCode(unary), connectReason(unary)]).toEqual([
        ...[400, "invalid_argument", "INVALID_REQUEST"],
      ]);
      const byWeb = await post(
        `${server.http}${path}`,
        [["content-type", "application/grpc-web+proto"], web, ["grpc-encoding", "gzip"]],
        frame(message, true),
      );
      expect(grpcStatus(byWeb)).toBe(3);
      const headers = { authorization, "grpc-encoding": "gzip" };
      expect(grpcStatus(await grpc(server.grpc, path, headers, frame(message, true)))).toBe(3);
    }
  });

  test("no answer and no log line repeats the message", async () => {
    const secret = "s3cr3t-that-was-sent-0123456789";
    for (const json of [`{"token":["${secret}"]}`, `{"token":${secret}}`, `{"token":"${secret}`]) {
      const answer = await postJson(`${server.http}${AUTH}/Introspect`, TOKENS.admin, gzipSync(json), [
        ["content-encoding", "gzip"],
      ]);
      expect([connectCode(answer), connectReason(answer)]).toEqual(["invalid_argument", "INVALID_REQUEST"]);
      expect(answer.body.toString()).not.toContain(secret);
    }
    expect(JSON.stringify(server.logs)).not.toContain(secret);
  });
});

describe("E13 nesting", () => {
  test.each([101, 1_000, 30_000])("%d deep, in JSON", async (depth) => {
    const body = `{"token":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    const answer = await postJson(`${server.http}${AUTH}/Introspect`, TOKENS.admin, body);
    expect(connectCode(answer)).toBe("invalid_argument");
    const unclosed = await postJson(`${server.http}${AUTH}/Introspect`, TOKENS.admin, "[".repeat(depth));
    expect(connectCode(unclosed)).toBe("invalid_argument");
  });

  test.each([101, 1_000, 30_000])("%d groups deep, in binary", async (depth) => {
    // Groups of the unknown field 15: 0x7b begins one, 0x7c ends it.
    const message = Buffer.concat([Buffer.alloc(depth, 0x7b), Buffer.alloc(depth, 0x7c)]);
    expect(await binaryCodes(`${AUTH}/Introspect`, message)).toEqual(allInvalid);
  });
});

describe("E06 E13 the message of a stream", () => {
  const path = `${AUTH}/WatchRevocations`;
  const send = (type: string, message: Uint8Array) =>
    post(
      `${server.http}${path}`,
      [
        ["content-type", type],
        ["authorization", authorization],
      ],
      frame(message),
    );
  // One envelope, which ends the stream.
  const byConnect = async (form: "proto" | "json", message: Uint8Array) =>
    JSON.parse((await send(`application/connect+${form}`, message)).body.subarray(5).toString()).error.code;

  test.each([
    ["that is not UTF-8", Buffer.from([0x0a, 2, 0xc3, 0x28])],
    ["that ends early", Buffer.from([0x0a, 50, 0x61])],
    ["nested too deep", Buffer.concat([Buffer.alloc(101, 0x7b), Buffer.alloc(101, 0x7c)])],
  ])("%s, in binary", async (_, message) => {
    expect(await byConnect("proto", message)).toBe("invalid_argument");
    expect(grpcStatus(await send("application/grpc-web+proto", message))).toBe(3);
    expect(grpcStatus(await grpc(server.grpc, path, { authorization }, frame(message)))).toBe(3);
  });

  test.each([
    ["that is not UTF-8", "\\ud800"],
    ["nested 101 deep", "[".repeat(101)],
    ["nested 30,000 deep", "[".repeat(30_000)],
  ])("%s, in JSON", async (_, text) => {
    for (const body of [`{"cursor":"${text}"}`, `{"cursor":${text}}`]) {
      expect(await byConnect("json", Buffer.from(body))).toBe("invalid_argument");
    }
  });
});

test("K02 what a caller writes cannot break a log line, nor write one", async () => {
  using clients = createClients({ baseUrl: server.http, credential: TOKENS.admin });
  const nasty = 'x\r\n{"level":60,"event":"forged"}\n\u001b[31m"}\u2028\u0000';
  const { email } = await createUser(clients.admin);
  const { session } = await login(clients.auth, email, { userAgent: nasty.replace("\u0000", "") });
  expect(session.userAgent).toBe(nasty.replace("\u0000", ""));
  const before = server.logs.length;
  const reasons = [
    await clients.auth.login({ identifier: nasty, password: "p" }).catch(reasonOf),
    await clients.auth.login({ identifier: email, password: PASSWORD, userAgent: nasty }).catch(reasonOf),
    await clients.auth
      .login({ identifier: email, password: "p", device: nasty, clientId: nasty })
      .catch(reasonOf),
    await clients.admin.createUser({ email: nasty }).catch(reasonOf),
    await clients.auth.revoke({ target: { case: "clientId", value: nasty } }).then(() => "OK", reasonOf),
  ];
  for (const reason of reasons) expect(reason).not.toMatch(/INTERNAL|no reason/);
  const headers: [string, string][] = [
    ["x-request-id", 'a"},{"event":"forged"'],
    ["user-agent", "\u001b[31m".replace("\u001b", "%1b")],
  ];
  await postJson(`${server.http}${AUTH}/Introspect`, TOKENS.admin, "{}", headers);

  const lines = server.logs.slice(before);
  expect(lines.length).toBeGreaterThan(4);
  for (const line of server.logs) {
    // One that was no JSON has nothing but `msg`.
    expect(line).toMatchObject({ level: expect.any(Number), time: expect.any(String), name: "postern" });
    expect(line["event"]).not.toBe("forged");
    expect(JSON.stringify(line)).not.toContain("\u001b");
  }
});

describe("K05 an error says nothing from inside", () => {
  const inside = /select|insert|relation|postern\.users|pg_|syntax|node:|\.ts\b|\.js\b|\bat \w+ \(/i;

  test("a fault of the database's schema", async () => {
    await using broken = await createDatabase();
    await using own = await startServer({ databaseUrl: broken.url });
    await withClient(broken.url, (client) => client.query("alter table postern.users rename to moved"));
    const credential = TOKENS.web;
    const secret = "a password that must not be shown";
    const body = JSON.stringify({ identifier: "someone@people.test", password: secret });
    const answer = await postJson(`${own.http}${AUTH}/Login`, credential, body);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ code: "internal", message: "internal error" });
    const requestId = answer.headers["x-request-id"] ?? "";
    expect(requestId).toMatch(/^[\w-]{36}$/);
    // The log has what the caller does not get, under the name that the caller has.
    expect(own.logs.find((line) => line["request_id"] === requestId)).toMatchObject({ level: 50 });
    expect(JSON.stringify(own.logs)).not.toContain(secret);
    for (const text of [answer.body.toString(), JSON.stringify(answer.headers)]) {
      expect(text).not.toMatch(inside);
      expect(text).not.toContain(credential);
    }
    const viaGrpc = createClients({ baseUrl: own.grpc, protocol: "grpc", credential });
    const error = await viaGrpc.auth
      .login({ identifier: "someone@people.test", password: secret })
      .then(() => undefined, ConnectError.from);
    viaGrpc[Symbol.dispose]();
    expect(reasonOf(error)).toBe("INTERNAL");
    expect(`${error?.rawMessage}`).toBe("internal error");
  });

  test("what was sent does not come back", async () => {
    const secret = "s3cr3t-that-was-sent-0123456789";
    const calls: [string, string | undefined, unknown][] = [
      [`${AUTH}/Introspect`, secret, { token: "t" }],
      [`${AUTH}/Refresh`, TOKENS.web, { refreshToken: secret }],
      [`${AUTH}/Login`, TOKENS.web, { identifier: "a@people.test", password: secret }],
      [`${AUTH}/Revoke`, TOKENS.web, { sessionId: secret }],
      [`${AUTH}/Refresh`, TOKENS.web, { refreshToken: secret, scope: [`${secret} "`] }],
      [`${ADMIN}/SetPassword`, TOKENS.admin, { userId: secret, password: secret }],
      [`${ADMIN}/ListUsers`, TOKENS.admin, { pageToken: secret }],
      [`${AUTH}/Introspect`, TOKENS.web, { token: [secret] }],
    ];
    for (const [path, credential, message] of calls) {
      const answer = await postJson(`${server.http}${path}`, credential, JSON.stringify(message));
      expect(answer.status, path).toBeGreaterThanOrEqual(400);
      expect(answer.body.toString()).not.toContain(secret);
      expect(answer.body.toString()).not.toMatch(inside);
    }
    expect(JSON.stringify(server.logs)).not.toContain(secret);
  });
});
