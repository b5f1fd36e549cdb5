import { randomBytes } from "node:crypto";
import http2 from "node:http2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clients, createClients, reasonOf } from "../support/clients/clients.ts";
import { frame, grpc, grpcStatus, openGrpc, post, postJson, readAnswer } from "../support/clients/wire.ts";
import { createUser, login } from "../support/people/people.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import {
  AUDIENCE,
  ISSUER,
  type ServerProcess,
  startServer,
  TOKENS,
} from "../support/servers/server-process.ts";

const AUTH = "/postern.auth.v1.AuthService";
const INTROSPECT = `${AUTH}/Introspect`;
const KIB = 1024;

let database: TestDatabase;
let server: ServerProcess;
/** By the caller's name. */
let as: Record<keyof typeof TOKENS, Clients>;
let email: string;
let administrator: string;

beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({ databaseUrl: database.url });
  const of = (credential: string) => createClients({ baseUrl: server.http, credential });
  as = {
    admin: of(TOKENS.admin),
    web: of(TOKENS.web),
    other: of(TOKENS.other),
    resource: of(TOKENS.resource),
  };
  email = (await createUser(as.admin.admin)).email;
  administrator = (await createUser(as.admin.admin, ["admin"])).email;
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** An administrator's access token that Postern's own services accept. */
async function credentialOfAdministrator(): Promise<string> {
  return (await login(as.admin.auth, administrator, { audience: [`${ISSUER}/postern`] })).accessToken;
}

async function reasonAs(credential: string): Promise<string> {
  using clients = createClients({ baseUrl: server.http, credential });
  return clients.auth.introspect({ token: "nothing" }).then(() => "OK", reasonOf);
}

async function refreshReason(refreshToken: string): Promise<string> {
  return as.web.auth.refresh({ refreshToken }).then(() => "OK", reasonOf);
}

describe("I01 two credentials", () => {
  const good = `Bearer ${TOKENS.web}`;
  test.each([
    ["the same", [good, good]],
    ["a right one first", [good, "Bearer another"]],
    ["a wrong one first", ["Bearer another", good]],
    ["an empty one second", [good, ""]],
    ["both in one, by a comma", [`${good}, ${good}`]],
    ["both in one, by a comma alone", [`${good},${good}`]],
  ])("%s", async (_, values) => {
    const headers = values.map((value) => ["authorization", value] as const);
    const body = '{"token":"nothing"}';
    const answer = await post(
      `${server.http}${INTROSPECT}`,
      [["content-type", "application/json"], ...headers],
      body,
    );
    expect([answer.status, JSON.parse(answer.body.toString()).code]).toEqual([401, "unauthenticated"]);
  });

  test("by gRPC in one", async () => {
    const authorization = `${good}, ${good}`;
    expect(grpcStatus(await grpc(server.grpc, INTROSPECT, { authorization }, frame(Buffer.alloc(0))))).toBe(
      16,
    );
  });
});

describe("J01 Introspect without a caller", () => {
  test("by Connect", async () => {
    const answer = await postJson(`${server.http}${INTROSPECT}`, undefined, '{"token":"nothing"}');
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body.toString()).code).toBe("unauthenticated");
  });

  test("by gRPC, on a connection that a caller has been known on", async () => {
    const session = http2.connect(server.grpc);
    const call = (headers: Record<string, string>) => {
      const stream = openGrpc(session, INTROSPECT, headers);
      stream.end(frame(Buffer.from([0x0a, 1, 0x61])));
      return readAnswer(stream);
    };
    expect(grpcStatus(await call({ authorization: `Bearer ${TOKENS.web}` }))).toBe(0);
    expect(grpcStatus(await call({}))).toBe(16);
    session.destroy();
  });

  test.each(["", "Bearer", "Bearer ", "Basic d2ViOng=", TOKENS.web, `Token ${TOKENS.web}`])(
    "with the header `%s`",
    async (value) => {
      const headers = [["content-type", "application/json"] as const, ["authorization", value] as const];
      expect((await post(`${server.http}${INTROSPECT}`, headers, "{}")).status).toBe(401);
    },
  );
});

describe("A23 tokens that are too long", () => {
  test.each([8 * KIB + 1, 64 * KIB, KIB * KIB])("%d characters", async (length) => {
    const good = await credentialOfAdministrator();
    // Right except for its length: a server must not truncate it.
    for (const long of [good.padEnd(length, "A"), TOKENS.web.padEnd(length, " x"), "a".repeat(length)]) {
      const credential = [
        ["content-type", "application/json"] as const,
        ["authorization", `Bearer ${long}`] as const,
      ];
      const answer = await post(`${server.http}${INTROSPECT}`, credential, '{"token":"nothing"}');
      // Node refuses headers above 16 KiB before we see them.
      expect(length > 16 * KIB ? [400, 431] : [401]).toContain(answer.status);
    }
    const token = good.padEnd(length, "A");
    const refresh = await postJson(
      `${server.http}${AUTH}/Refresh`,
      TOKENS.web,
      JSON.stringify({ refreshToken: token }),
    );
    const code = length >= 64 * KIB ? "resource_exhausted" : "invalid_argument";
    expect(JSON.parse(refresh.body.toString()).code).toBe(code);
    const result = await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, JSON.stringify({ token }));
    expect(result.body.toString()).not.toContain('"active"');
  });
});

test("A25 a token cut short by any number of characters is none", async () => {
  const { refreshToken } = await login(as.web.auth, email);
  const credential = await credentialOfAdministrator();
  expect(await reasonAs(credential)).toBe("OK");
  for (let cut = 1; cut < refreshToken.length; cut += 1) {
    const token = refreshToken.slice(0, -cut);
    expect((await as.web.auth.introspect({ token })).active, token).toBe(false);
  }
  for (let cut = 1; cut < credential.length; cut += cut < 100 ? 1 : 13) {
    const token = credential.slice(0, -cut);
    expect((await as.admin.auth.introspect({ token })).active, `${cut} cut off`).toBe(false);
  }
  for (const token of [refreshToken.slice(0, -1), refreshToken.slice(0, -6), refreshToken.slice(0, 40)]) {
    expect(await refreshReason(token)).toBe("INVALID_REFRESH_TOKEN");
  }
  for (const text of [credential, TOKENS.web]) {
    for (const cut of [1, 2, 3, 4, 10]) expect(await reasonAs(text.slice(0, -cut))).toBe("INVALID_CLIENT");
    expect(await reasonAs(text.slice(1))).toBe("INVALID_CLIENT");
  }
  expect(await refreshReason(refreshToken)).toBe("OK");
});

test("J16 a secret token is changed by two restarts, and its sessions go on", async () => {
  await using own = await createDatabase();
  const entry = (token: string) => ({ name: "web", token, permissions: ["login", "introspect", "users"] });
  const [before, after] = ["before-0123456789-0123456789-012345", "after-0123456789-0123456789-0123456"];
  const masterKey = randomBytes(32).toString("base64");
  const start = (...tokens: string[]) =>
    startServer({
      databaseUrl: own.url,
      env: { POSTERN_SECRET_TOKENS: JSON.stringify(tokens.map(entry)), POSTERN_MASTER_KEY: masterKey },
    });
  let refreshToken = "";
  for (const [accepted, refused] of [
    [[before], [after]],
    [[before, after], []],
    [[after], [before]],
  ] as const) {
    await using one = await start(...accepted);
    for (const credential of accepted) {
      using clients = createClients({ baseUrl: one.http, credential });
      if (refreshToken === "") {
        const person = await createUser(clients.admin);
        ({ refreshToken } = await login(clients.auth, person.email, { audience: [AUDIENCE] }));
      }
      const { tokens } = await clients.auth.refresh({ refreshToken });
      refreshToken = tokens?.refreshToken ?? "";
      expect((await clients.auth.introspect({ token: refreshToken })).active).toBe(true);
    }
    for (const credential of refused) {
      using clients = createClients({ baseUrl: one.http, credential });
      expect(await clients.auth.refresh({ refreshToken }).then(() => "OK", reasonOf)).toBe("INVALID_CLIENT");
    }
  }
});
