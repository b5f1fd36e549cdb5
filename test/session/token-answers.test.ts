import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clients, createClients, reasonOf } from "../support/clients/clients.ts";
import { frame, grpc, grpcStatus, introspectRequest, postJson } from "../support/clients/wire.ts";
import { createUser, login } from "../support/people/people.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const AUTH = "/postern.auth.v1.AuthService";
const INTROSPECT = `${AUTH}/Introspect`;

let database: TestDatabase;
let server: ServerProcess;
/** By the caller's name. */
let as: Record<keyof typeof TOKENS, Clients>;
let email: string;

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
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

async function refreshReason(refreshToken: string): Promise<string> {
  return as.web.auth.refresh({ refreshToken }).then(() => "OK", reasonOf);
}

test("a token that is pasted with white space or its scheme is revoked", async () => {
  const { auth } = as.web;
  for (const around of [
    (token: string) => `${token}\n`,
    (token: string) => ` ${token}\r\n`,
    (token: string) => `Bearer ${token}`,
    (token: string) => `\nbearer  ${token} `,
  ]) {
    const { accessToken } = await login(auth, email);
    await auth.revoke({ target: { case: "token", value: around(accessToken) } });
    expect((await auth.introspect({ token: accessToken })).active).toBe(false);
    const { refreshToken } = await login(auth, email);
    await auth.revoke({ target: { case: "token", value: around(refreshToken) } });
    expect(await refreshReason(refreshToken)).toBe("SESSION_ENDED");
  }
});

test("J03 every token that is not active is answered with the same bytes", async () => {
  const { auth } = as.web;
  const revoked = await login(auth, email);
  await auth.revoke({ target: { case: "token", value: revoked.refreshToken } });
  const unknown = await login(auth, email);
  await withClient(database.url, (client) =>
    client.query(
      "delete from postern.sessions where id = (select id from postern.sessions order by id desc limit 1)",
    ),
  );
  const foreign = await login(as.other.auth, email);
  const elsewhere = await login(as.admin.auth, email, { audience: ["https://elsewhere.test"] });
  const living = await login(auth, email);
  expect((await auth.introspect({ token: living.refreshToken })).active).toBe(true);
  expect((await auth.introspect({ token: foreign.accessToken })).active).toBe(true);
  const tokens: Record<string, string> = {
    "a revoked access token": revoked.accessToken,
    "a revoked session's refresh token": revoked.refreshToken,
    "a refresh token of no session": unknown.refreshToken,
    "another caller's refresh token": foreign.refreshToken,
    "another audience's access token": elsewhere.accessToken,
    "an access token with another signature": flip(living.accessToken, 10),
    "a refresh token with another checksum": flip(living.refreshToken, 1),
    "no token": "nothing",
    "an opaque secret of another kind": `ptn_at_${"0".repeat(60)}`,
    "a caller's secret token": TOKENS.admin,
    "three parts of nothing": "e30.e30.e30",
    "a long text": "a".repeat(20_000),
  };
  // Past the end of access tokens, before that of sessions.
  await advanceClock(database.url, 400_000);
  tokens["an expired access token"] = living.accessToken;
  try {
    for (const [name, token] of Object.entries(tokens)) {
      const answer = await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, JSON.stringify({ token }));
      expect([answer.status, answer.body.toString(), answer.headers["content-length"]], name).toEqual([
        200,
        "{}",
        "2",
      ]);
      const header = { authorization: `Bearer ${TOKENS.web}` };
      const binary = await grpc(server.grpc, INTROSPECT, header, frame(introspectRequest(token)));
      expect([grpcStatus(binary), binary.body.toString("hex")], name).toEqual([0, "0000000000"]);
    }
  } finally {
    await advanceClock(database.url, -400_000);
  }
});

describe("J12 the owner that counts is the session's own", () => {
  test("another caller with `revoke` cannot end it by its ID", async () => {
    const mine = await login(as.web.auth, email);
    const target = { case: "sessionId", value: mine.sessionId } as const;
    expect(await as.other.auth.revoke({ target }).then(() => "OK", reasonOf)).toBe("NOT_PERMITTED");
    const own = await login(as.other.auth, email);
    const query = `${server.http}${AUTH}/Revoke?sessionId=${own.sessionId}&session_id=${own.sessionId}`;
    const answer = await postJson(query, TOKENS.other, JSON.stringify({ sessionId: mine.sessionId }));
    expect(answer.status).toBe(403);
    expect((await as.web.auth.introspect({ token: mine.accessToken })).active).toBe(true);
    expect((await as.other.auth.introspect({ token: own.accessToken })).active).toBe(true);
  });

  test("two targets in one message are refused", async () => {
    const mine = await login(as.web.auth, email);
    const body = JSON.stringify({ token: "nothing", sessionId: mine.sessionId });
    expect((await postJson(`${server.http}${AUTH}/Revoke`, TOKENS.web, body)).status).toBe(400);
  });

  test("another caller or client cannot refresh it, and spends nothing", async () => {
    const { refreshToken } = await login(as.web.auth, email);
    const outsider = as.other.auth.refresh({ refreshToken, clientId: "web" });
    expect(await outsider.then(() => "OK", reasonOf)).toBe("INVALID_REFRESH_TOKEN");
    const misnamed = as.web.auth.refresh({ refreshToken, clientId: "other" });
    expect(await misnamed.then(() => "OK", reasonOf)).toBe("INVALID_REFRESH_TOKEN");
    expect(await refreshReason(refreshToken)).toBe("OK");
  });
});

describe("values of one kind where another is wanted", () => {
  test("A14, C13 all pairs, each refused as if it were nothing", async () => {
    const tokens = await login(as.web.auth, email);
    const [, , ...rest] = tokens.refreshToken.split("_");
    const kinds: Record<string, string> = {
      access: tokens.accessToken,
      refresh: tokens.refreshToken,
      secret: TOKENS.web,
      "renamed to an API token": `ptn_at_${rest.join("_")}`,
      "renamed to a code": `ptn_ac_${rest.join("_")}`,
      nothing: "nothing",
    };
    const bodyOf = async (path: string, credential: string, message: unknown) => {
      const answer = await postJson(`${server.http}${path}`, credential, JSON.stringify(message));
      return `${answer.status} ${answer.body}`;
    };
    const asCredential = await bodyOf(INTROSPECT, "nothing", { token: "nothing" });
    const asRefreshToken = await bodyOf(`${AUTH}/Refresh`, TOKENS.web, { refreshToken: "nothing" });
    expect(asCredential).toMatch(/^401 /);
    expect(await refreshReason("nothing")).toBe("INVALID_REFRESH_TOKEN");
    for (const [kind, value] of Object.entries(kinds)) {
      if (kind !== "secret")
        expect(await bodyOf(INTROSPECT, value, { token: "nothing" }), kind).toBe(asCredential);
      if (kind !== "refresh") {
        expect(await bodyOf(`${AUTH}/Refresh`, TOKENS.web, { refreshToken: value }), kind).toBe(
          asRefreshToken,
        );
      }
      if (kind !== "refresh" && kind !== "access") {
        expect((await as.web.auth.introspect({ token: value })).active, kind).toBe(false);
      }
      const message = { identifier: email, password: value };
      expect(await as.web.auth.login(message).then(() => "OK", reasonOf), kind).toBe("INVALID_CREDENTIALS");
    }
    expect(await refreshReason(tokens.refreshToken)).toBe("OK");
  });
});

test("E10 ids are compared as they are written", async () => {
  const { id } = await createUser(as.admin.admin);
  const get = async (json: string) => {
    const url = `${server.http}/postern.admin.v1.AdminService/GetUser`;
    const answer = await postJson(url, TOKENS.admin, json);
    return JSON.parse(answer.body.toString()).code ?? "found";
  };
  expect(await get(JSON.stringify({ userId: id }))).toBe("found");
  const strange = [
    "0",
    "usr_0",
    "usr_",
    id.toUpperCase(),
    id.slice(4),
    ` ${id}`,
    `${id} `,
    `${id}\n`,
    `${id}0`,
  ];
  for (const userId of [...strange, id.replace("usr_", "ses_"), `usr_${id}`, id.replace("_", "_8")]) {
    expect(await get(JSON.stringify({ userId })), userId).toBe("invalid_argument");
  }
  for (const json of ['{"userId":0}', '{"userId":true}', `{"userId":["${id}"]}`, '{"userId":null}', "{}"]) {
    expect(await get(json), json).toBe("invalid_argument");
  }
  expect(await get(JSON.stringify({ userId: flip(id, 1) }))).toBe("not_found");
});

/** The text with another character, so far from its end. */
function flip(text: string, fromEnd: number): string {
  const index = text.length - fromEnd;
  return text.slice(0, index) + (text[index] === "a" ? "b" : "a") + text.slice(index + 1);
}
