import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, createClients, reasonOf } from "../support/clients/clients.ts";
import { createUser, login } from "../support/people/people.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { ISSUER, type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const masterKey = randomBytes(32).toString("base64");

let database: TestDatabase;
let server: ServerProcess;
let admin: Clients;
let web: Clients;

beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({ databaseUrl: database.url, env: { POSTERN_MASTER_KEY: masterKey } });
  admin = createClients({ baseUrl: server.http, credential: TOKENS.admin });
  web = createClients({ baseUrl: server.http, credential: TOKENS.web });
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

test("J07 Revoke of a refresh token ends its access tokens", async () => {
  const { email } = await createUser(admin.admin);
  const { accessToken, refreshToken } = await login(web.auth, email);
  const { tokens } = await web.auth.refresh({ refreshToken });
  await web.auth.revoke({ target: { case: "token", value: refreshToken } });
  for (const token of [accessToken, tokens?.accessToken ?? "", refreshToken]) {
    expect((await web.auth.introspect({ token })).active).toBe(false);
  }
  expect(await web.auth.refresh({ refreshToken }).catch(reasonOf)).toBe("SESSION_ENDED");
});

test("J13 what a caller may no longer ask for is not renewed", async () => {
  const { email } = await createUser(admin.admin);
  const { refreshToken, scope } = await login(web.auth, email, { scope: ["read", "write"] });
  expect(scope).toEqual(["read", "write"]);
  const narrowed = { name: "web", token: TOKENS.web, permissions: ["login"] };
  const start = (entry: object) =>
    startServer({
      databaseUrl: database.url,
      env: {
        POSTERN_MASTER_KEY: masterKey,
        POSTERN_SECRET_TOKENS: JSON.stringify([{ ...narrowed, ...entry }]),
      },
    });
  {
    await using second = await start({ scopes: ["read"] });
    const { auth } = createClients({ baseUrl: second.http, credential: TOKENS.web });
    const { tokens } = await auth.refresh({ refreshToken });
    expect(tokens?.scope).toEqual(["read"]);
  }
  {
    await using third = await start({ audiences: ["https://elsewhere.test"] });
    const { auth } = createClients({ baseUrl: third.http, credential: TOKENS.web });
    expect(await auth.refresh({ refreshToken }).catch(reasonOf)).toBe("NOT_PERMITTED");
  }
});

test("a former administrator cannot get the role back with an old access token", async () => {
  const { email } = await createUser(admin.admin, ["admin"]);
  const { accessToken } = await login(admin.auth, email, { audience: [`${ISSUER}/postern`] });
  const own = createClients({ baseUrl: server.http, credential: accessToken });
  expect((await own.admin.listUsers({})).users.length).toBeGreaterThan(0);
  const command = await runPostern(["user", "set-roles", email, "--none"], {
    POSTERN_DATABASE_URL: database.url,
    POSTERN_ISSUER: ISSUER,
    POSTERN_MASTER_KEY: masterKey,
  });
  expect(command.code).toBe(0);
  expect(await own.admin.listUsers({}).catch(reasonOf)).toBe("INVALID_CLIENT");
});

test("K03 a change whose audit record cannot be written does not happen", async () => {
  const { email, id } = await createUser(admin.admin);
  const { refreshToken, sessionId } = await login(web.auth, email);
  await withClient(database.url, (client) => client.query("alter table postern.audit rename to lost"));
  try {
    const revoked = web.auth.revoke({ target: { case: "sessionId", value: sessionId } });
    expect(await revoked.catch(reasonOf)).toBe("INTERNAL");
    expect(await admin.admin.disableUser({ userId: id }).catch(reasonOf)).toBe("INTERNAL");
  } finally {
    await withClient(database.url, (client) => client.query("alter table postern.lost rename to audit"));
  }
  expect((await web.auth.introspect({ token: refreshToken })).active).toBe(true);
  await web.auth.revoke({ target: { case: "sessionId", value: sessionId } });
  expect((await web.auth.introspect({ token: refreshToken })).active).toBe(false);
});

/** A frame of HTTP/2 (RFC 9113 section 4.1). */
function h2Frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const literalHeader = Buffer.concat([
  Buffer.from([0x00, 0x01, 0x61, 0x7f, 0x81, 0x3e]),
  Buffer.alloc(8_192, 0x62),
]);
const floods: readonly (readonly [string, Buffer])[] = [
  [
    "CONTINUATION frames without an end",
    Buffer.concat([
      h2Frame(1, 0, 1, literalHeader),
      ...Array.from({ length: 200 }, () => h2Frame(9, 0, 1, literalHeader)),
    ]),
  ],
  [
    "a window that overflows",
    Buffer.concat([
      h2Frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
      h2Frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
    ]),
  ],
  ["headers that do not decode", h2Frame(1, 5, 1, Buffer.alloc(64, 0xff))],
  ["a frame above the limit", h2Frame(0, 0, 1, Buffer.alloc(65_536))],
];

test.each(floods)("L05 %s end the connection, not the server", async (_, frames) => {
  const { hostname, port } = new URL(server.grpc);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.resume();
  const closed = once(socket, "close");
  socket.write(
    Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      h2Frame(4, 0, 0, Buffer.alloc(0)),
      frames,
    ]),
  );
  await closed;
  using grpc = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.web });
  expect((await grpc.auth.introspect({ token: "nothing" })).active).toBe(false);
});
