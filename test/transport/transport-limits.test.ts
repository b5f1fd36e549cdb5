import { once } from "node:events";
import http2, { type ClientHttp2Session } from "node:http2";
import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  connectCode,
  frame,
  grpc,
  grpcStatus,
  introspectRequest,
  openGrpc,
  post,
  postJson,
  readAnswer,
} from "../support/clients/wire.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const INTROSPECT = "/postern.auth.v1.AuthService/Introspect";
const authorization = `Bearer ${TOKENS.web}`;
const INVALID_ARGUMENT = 3;
const RESOURCE_EXHAUSTED = 8;
const UNAUTHENTICATED = 16;

let database: TestDatabase;
let server: ServerProcess;

beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({ databaseUrl: database.url });
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

afterEach(async () => {
  // After all of it, the server still answers on both listeners.
  const byHttp = await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, '{"token":"nothing"}');
  expect(byHttp.body.toString()).toBe("{}");
  expect(
    grpcStatus(await grpc(server.grpc, INTROSPECT, { authorization }, frame(introspectRequest("nothing")))),
  ).toBe(0);
});

describe("L02 messages above the limit", () => {
  const megabyte = 1024 * 1024;
  const small = gzipSync(JSON.stringify({ token: "a".repeat(40 * megabyte) }));
  const smallBinary = gzipSync(introspectRequest("a".repeat(40 * megabyte)));
  const large = JSON.stringify({ token: "a".repeat(megabyte) });

  test("small when compressed, large after that", async () => {
    expect(small.length).toBeLessThan(48 * 1024);
    const headers = [["content-encoding", "gzip"] as const];
    const answer = await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, small, headers);
    expect(connectCode(answer)).toBe("resource_exhausted");
    expect(grpcStatus(await compressed(smallBinary))).toBe(RESOURCE_EXHAUSTED);
  });

  test("compressed twice", async () => {
    const body = gzipSync(gzipSync(Buffer.alloc(40 * megabyte)));
    const headers = [["content-encoding", "gzip"] as const];
    const answer = await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, body, headers);
    // The decompressed bytes are not a message.
    expect(["invalid_argument", "resource_exhausted"]).toContain(connectCode(answer));
  });

  test("large as they come", async () => {
    const answer = await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, large);
    expect(connectCode(answer)).toBe("resource_exhausted");
    const byGrpc = await grpc(
      server.grpc,
      INTROSPECT,
      { authorization },
      frame(introspectRequest("a".repeat(megabyte))),
    );
    expect(grpcStatus(byGrpc)).toBe(RESOURCE_EXHAUSTED);
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString("hex");
    expect(grpcStatus(await compressed(gzipSync(introspectRequest(noise), { level: 0 })))).toBe(
      RESOURCE_EXHAUSTED,
    );
  });

  test("an unknown compression", async () => {
    const headers = [["content-encoding", "br"] as const];
    const answer = await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, "{}", headers);
    expect(connectCode(answer)).toBe("unimplemented");
  });

  async function compressed(message: Uint8Array) {
    return grpc(server.grpc, INTROSPECT, { authorization, "grpc-encoding": "gzip" }, frame(message, true));
  }
});

describe("L03 streams that the client leaves half open", () => {
  const cases: [string, Record<string, string>, Buffer, number][] = [
    [
      "a message announced too large",
      { authorization },
      Buffer.from([0, 0x7f, 0, 0, 0, 1, 2, 3]),
      RESOURCE_EXHAUSTED,
    ],
    ["a caller who is refused", {}, frame(introspectRequest("nothing")), UNAUTHENTICATED],
    ["a caller who is refused and has sent nothing", {}, Buffer.alloc(0), UNAUTHENTICATED],
  ];
  test.each(cases)("%s: answered, and closed by the server", async (_, headers, body, status) => {
    await withSession(async (session) => {
      const stream = openGrpc(session, INTROSPECT, headers);
      // By the refusal, that is, and not by the end of what a request may take.
      const closed = once(stream, "close", { signal: AbortSignal.timeout(5_000) });
      if (body.length > 0) stream.write(body);
      expect(grpcStatus(await readAnswer(stream))).toBe(status);
      await closed;
    });
  });
});

test("L06 a connection has at most 128 streams", async () => {
  await withSession(async (session) => {
    const [settings] = (await once(session, "remoteSettings")) as [http2.Settings];
    expect(settings.maxConcurrentStreams).toBeGreaterThan(0);
    expect(settings.maxConcurrentStreams).toBeLessThanOrEqual(128);
  });
});

test("a client that cancels all of its calls at once, several times, keeps its connection", async () => {
  await withSession(async (session) => {
    const [settings] = (await once(session, "remoteSettings")) as [http2.Settings];
    const streams = settings.maxConcurrentStreams ?? 0;
    for (let round = 0; round < 4; round += 1) {
      const calls = Array.from({ length: streams }, () =>
        openGrpc(session, INTROSPECT, { authorization }).on("error", () => {}),
      );
      const closed = calls.map((call) => once(call, "close"));
      for (const call of calls) call.close(http2.constants.NGHTTP2_CANCEL);
      await Promise.all(closed);
    }
    const answer = await poll("a call is taken", 10_000, async () => {
      const call = openGrpc(session, INTROSPECT, { authorization });
      call.end(frame(introspectRequest("nothing")));
      return readAnswer(call);
    });
    expect(grpcStatus(answer)).toBe(0);
    expect(session.destroyed).toBe(false);
  });
});

describe("L08 headers above the limits", () => {
  const many = Array.from({ length: 1_000 }, (_, index) => [`x-${index}`, "1"] as const);
  const long = [["x-long", "a".repeat(64 * 1024)] as const];
  const cookies = Array.from({ length: 5_000 }, (_, index) => ["cookie", `c${index}=1`] as const);

  test.each([
    ["1,000", many],
    ["one of 64 kB", long],
    ["5,000 cookies", cookies],
  ])("%s, by HTTP/1.1", async (_, headers) => {
    const answer = await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, '{"token":"nothing"}', headers);
    expect([400, 431]).toContain(answer.status);
    expect(answer.body.toString()).not.toContain("active");
  });

  test.each([
    ["1,000", many],
    ["one of 64 kB", long],
  ])("%s, by gRPC", async (_, headers) => {
    const call = grpc(
      server.grpc,
      INTROSPECT,
      { authorization, ...Object.fromEntries(headers) },
      frame(introspectRequest("nothing")),
    );
    const status = await call.then(grpcStatus, () => "refused");
    expect(status).not.toBe(0);
  });
});

describe("L09 deadlines", () => {
  test("the longest that can be written is no reason to refuse", async () => {
    const headers = { authorization, "grpc-timeout": "99999999H" };
    expect(
      grpcStatus(await grpc(server.grpc, INTROSPECT, headers, frame(introspectRequest("nothing")))),
    ).toBe(0);
  });

  test.each(["-1S", "1", "S", "1.5S", "123456789S", "1x", "1S, 2S", "0x1S"])("%s", async (timeout) => {
    const headers = { authorization, "grpc-timeout": timeout };
    const answer = await grpc(server.grpc, INTROSPECT, headers, frame(introspectRequest("nothing")));
    expect(grpcStatus(answer)).toBe(INVALID_ARGUMENT);
  });

  test.each(["-1", "abc", "1e3", "12345678901"])("%s milliseconds, by Connect", async (timeout) => {
    const headers = [["connect-timeout-ms", timeout] as const];
    const answer = await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, '{"token":"nothing"}', headers);
    expect(connectCode(answer)).toBe("invalid_argument");
  });
});

describe("texts made to cost time are answered like others", () => {
  const evil = [
    "a@".repeat(150),
    `${"a.".repeat(150)}!`,
    `${" ".repeat(319)}!`,
    `${"-".repeat(319)}_`,
    `a@${"a-".repeat(150)}`,
    "\u0301".repeat(150),
  ];
  test.each(evil)("L11 %#", async (text) => {
    const users = `${server.http}/postern.admin.v1.AdminService`;
    const created = await postJson(`${users}/CreateUser`, TOKENS.admin, JSON.stringify({ email: text }));
    expect(connectCode(created)).toBe("invalid_argument");
    const named = { email: "evil@people.test", username: text.slice(0, 250) };
    const withName = await postJson(`${users}/CreateUser`, TOKENS.admin, JSON.stringify(named));
    expect(connectCode(withName)).toBe("invalid_argument");
    const page = await postJson(
      `${users}/ListUsers`,
      TOKENS.admin,
      JSON.stringify({ pageToken: text.slice(0, 128) }),
    );
    expect(connectCode(page)).toBe("invalid_argument");
    const login = { identifier: text, password: "p", scope: [text.slice(0, 128)] };
    const url = `${server.http}/postern.auth.v1.AuthService/Login`;
    expect(["invalid_argument", "permission_denied", "unauthenticated"]).toContain(
      connectCode(await postJson(url, TOKENS.web, JSON.stringify(login))),
    );
  });

  test("L11 a credential of spaces", async () => {
    const headers = [
      ["content-type", "application/json"] as const,
      ["authorization", `Bearer ${" ".repeat(8_000)}\u00a0x`] as const,
    ];
    const answer = await post(`${server.http}${INTROSPECT}`, headers, "{}");
    expect(answer.status).toBe(401);
  });

  test("L12 as many members as fit", async () => {
    const members = Array.from({ length: 6_000 }, (_, index) => `"${index * 65_536}":0`);
    const awkward = ['"__proto__":{"token":"a"}', '"constructor":1', '"token":"nothing"'];
    const answer = await postJson(
      `${server.http}${INTROSPECT}`,
      TOKENS.web,
      `{${[...awkward, ...members].join()}}`,
    );
    expect(answer.body.length).toBeLessThan(1_000);
    expect(answer.body.toString()).not.toContain('"active":true');
    expect([200, 400, 429]).toContain(answer.status);
  });
});

describe("L14 connections that break", () => {
  const head = `POST ${INTROSPECT} HTTP/1.1\r\nhost: a\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\n`;
  const pieces: [string, () => string, string | Buffer][] = [
    ["http, in the headers", () => server.http, head],
    ["http, in the body", () => server.http, `${head}content-length: 100\r\n\r\n{"token"`],
    ["http, before the answer", () => server.http, `${head}content-length: 19\r\n\r\n{"token":"nothing"}`],
    ["http, with no HTTP", () => server.http, Buffer.alloc(3_000, 0xff)],
    ["grpc, in the preface", () => server.grpc, "PRI * HTTP/2.0\r\n"],
    ["grpc, with no HTTP/2", () => server.grpc, head],
    ["ops, in the headers", () => server.ops, "GET /readyz HTTP/1.1\r\nhost: a\r\n"],
  ];
  test.each(pieces)("%s", async (_, url, bytes) => {
    for (let round = 0; round < 20; round += 1) {
      const socket: Socket = connect(Number(new URL(url()).port), "127.0.0.1").on("error", () => {});
      await once(socket, "connect");
      await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
      const closed = once(socket, "close");
      socket.resetAndDestroy();
      await closed;
    }
  });

  test("grpc, with calls open", async () => {
    for (let round = 0; round < 10; round += 1) {
      await withSession(async (session) => {
        for (let index = 0; index < 10; index += 1) {
          const stream = openGrpc(session, INTROSPECT, { authorization }).on("error", () => {});
          stream.write(frame(introspectRequest("nothing")));
        }
        await once(session, "remoteSettings");
        session.socket.destroy();
      });
    }
  });
});

async function withSession(use: (session: ClientHttp2Session) => Promise<void>): Promise<void> {
  const session = http2.connect(server.grpc).on("error", () => {});
  try {
    await use(session);
  } finally {
    session.destroy();
  }
}
