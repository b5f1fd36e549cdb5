import { create, type DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Authorization } from "@postern/proto/envoy/service/auth/v3/external_auth_pb.js";
import { Health } from "@postern/proto/grpc/health/v1/health_pb.js";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessTable } from "../../services/auth/src/call/access-table.ts";
import { permissions } from "../../services/auth/src/domain/caller/permission.ts";
import { type Clients, createClients, reasonOf } from "../support/clients/clients.ts";
import { createUser, login } from "../support/people/people.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { AUDIENCE, ISSUER, type ServerProcess, startServer } from "../support/servers/server-process.ts";

/** What an empty message is answered where the caller may call: nothing is checked of it before. */
type Admitted = "OK" | "INVALID_REQUEST";
interface Row {
  /** Each of these permissions, or `admin`, opens the method; `*`: no credential is required. */
  readonly open: readonly string[] | "*";
  readonly answer: Admitted;
}

/** Every method of every service. Repeated here, so that a mistake in the server's table is found. */
const rows: Readonly<Record<string, Row>> = {
  "postern.auth.v1.AuthService/Login": { open: ["login"], answer: "INVALID_REQUEST" },
  "postern.auth.v1.AuthService/Refresh": { open: ["login"], answer: "INVALID_REQUEST" },
  "postern.auth.v1.AuthService/Introspect": {
    open: ["introspect", "introspect:any"],
    answer: "INVALID_REQUEST",
  },
  "postern.auth.v1.AuthService/Revoke": { open: ["revoke", "revoke:any"], answer: "INVALID_REQUEST" },
  "postern.auth.v1.AuthService/ListSessions": {
    open: ["sessions", "sessions:any"],
    answer: "INVALID_REQUEST",
  },
  "postern.auth.v1.AuthService/WatchRevocations": { open: ["watch"], answer: "OK" },
  "postern.admin.v1.AdminService/CreateUser": { open: ["users"], answer: "INVALID_REQUEST" },
  "postern.admin.v1.AdminService/GetUser": { open: ["users"], answer: "INVALID_REQUEST" },
  "postern.admin.v1.AdminService/ListUsers": { open: ["users"], answer: "OK" },
  "postern.admin.v1.AdminService/DisableUser": { open: ["users"], answer: "INVALID_REQUEST" },
  "postern.admin.v1.AdminService/EnableUser": { open: ["users"], answer: "INVALID_REQUEST" },
  "postern.admin.v1.AdminService/SetPassword": { open: ["users"], answer: "INVALID_REQUEST" },
  "postern.admin.v1.AdminService/ListAuditEvents": { open: ["admin"], answer: "OK" },
  "envoy.service.auth.v3.Authorization/Check": { open: "*", answer: "OK" },
  "grpc.health.v1.Health/Check": { open: "*", answer: "OK" },
  "grpc.health.v1.Health/Watch": { open: "*", answer: "OK" },
};

const methods = [AuthService, AdminService, Authorization, Health].flatMap((service) => service.methods);
const nameOf = (method: DescMethod) => `${method.parent.typeName}/${method.name}`;

const tokenOf = (permission: string) => `token-of-the-holder-of-${permission}-0123456789`;
/** Each caller's credential, filled in once the server runs, and its permissions; undefined: it is not a caller. */
const callers = new Map<string, { credential?: string; holds: readonly string[] | undefined }>([
  ["no credential", { holds: undefined }],
  ["a wrong credential", { credential: `${tokenOf("users")}x`, holds: undefined }],
  ["a user's token of another audience", { holds: undefined }],
  ["an administrator's token of another audience", { holds: undefined }],
  ["a user's token of Postern's audience", { holds: [] }],
  ["an administrator's token of Postern's audience", { holds: ["admin"] }],
  ["an administrator's secret token", { credential: tokenOf("*"), holds: ["admin"] }],
  ...permissions.map(
    (one) => [`\`${one}\` alone`, { credential: tokenOf(one), holds: [one] as readonly string[] }] as const,
  ),
]);

let database: TestDatabase;
let server: ServerProcess;
let userId: string;

beforeAll(async () => {
  database = await createDatabase();
  const tokens = [...permissions, "*"].map((permission) => ({
    name: `holder-of-${permission === "*" ? "all" : permission}`,
    token: tokenOf(permission),
    permissions: [permission],
    audiences: ["*"],
    clients: ["*"],
  }));
  const env = { POSTERN_SECRET_TOKENS: JSON.stringify(tokens) };
  server = await startServer({ databaseUrl: database.url, env });
  using clients = clientsOf(tokenOf("*"));
  const { admin, auth } = clients;
  const user = await createUser(admin);
  const administrator = await createUser(admin, ["admin"]);
  userId = user.id;
  const postern = [AUDIENCE, `${ISSUER}/postern`];
  const people: [string, string, string[]][] = [
    ["a user's token of another audience", user.email, [AUDIENCE]],
    ["an administrator's token of another audience", administrator.email, [AUDIENCE]],
    ["a user's token of Postern's audience", user.email, postern],
    ["an administrator's token of Postern's audience", administrator.email, postern],
  ];
  for (const [name, email, audience] of people) {
    Object.assign(callers.get(name) ?? {}, {
      credential: (await login(auth, email, { audience })).accessToken,
    });
  }
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

test("every method has a row here, and the access table has the methods and the HTTP endpoints, and nothing else", () => {
  expect(Object.keys(rows).toSorted()).toEqual(methods.map(nameOf).toSorted());
  const endpoints = ["forward-auth", "jwks", "metadata"];
  expect([...accessTable.keys()].toSorted()).toEqual([...Object.keys(rows), ...endpoints].toSorted());
});

describe.each(methods.map((method) => [nameOf(method), method] as const))("%s", (name, method) => {
  test.each([...callers.keys()])("as %s", async (caller) => {
    const { credential, holds } = callers.get(caller) ?? { holds: undefined };
    if (caller !== "no credential") expect(credential).toBeDefined();
    using clients = clientsOf(credential);
    expect(await answerOf(clients, method)).toBe(expected(rows[name], holds));
  });
});

describe("what lies beyond a method's own permission", () => {
  const someSession = "ses_00000000000000000000000000";
  const calls: [string, string, (clients: Clients) => Promise<unknown>, string][] = [
    ["revoke", "a user", ({ auth }) => auth.revoke(target("userId", userId)), "NOT_PERMITTED"],
    ["revoke", "a client", ({ auth }) => auth.revoke(target("clientId", "c")), "NOT_PERMITTED"],
    ["revoke", "everything", ({ auth }) => auth.revoke(target("everything", true)), "NOT_PERMITTED"],
    ["revoke", "no session", ({ auth }) => auth.revoke(target("sessionId", someSession)), "OK"],
    ["revoke:any", "a user", ({ auth }) => auth.revoke(target("userId", userId)), "OK"],
    ["revoke:any", "a client", ({ auth }) => auth.revoke(target("clientId", "c")), "OK"],
    ["users", "an administrator's creation", ({ admin }) => createUser(admin, ["admin"]), "NOT_PERMITTED"],
    ["users", "a user's creation", ({ admin }) => createUser(admin), "OK"],
    ["admin", "an administrator's creation", ({ admin }) => createUser(admin, ["admin"]), "OK"],
  ];
  test.each(calls)("`%s` and %s", async (permission, _, call, answer) => {
    using clients = clientsOf(tokenOf(permission));
    expect(await call(clients).then(() => "OK", reasonOf)).toBe(answer);
  });

  function target(name: string, value: unknown) {
    return { target: { case: name, value } } as Parameters<Clients["auth"]["revoke"]>[0];
  }
});

function expected(row: Row | undefined, holds: readonly string[] | undefined): string {
  if (row === undefined) return "a row in this test";
  if (row.open === "*") return row.answer;
  if (holds === undefined) return "INVALID_CLIENT";
  return [...row.open, "admin"].some((one) => holds.includes(one)) ? row.answer : "NOT_PERMITTED";
}

/** Sends the empty message. A stream has answered with its first message. */
async function answerOf({ transport }: Clients, method: DescMethod): Promise<string> {
  const abort = new AbortController();
  try {
    if (method.methodKind === "unary") {
      const message = create(method.input);
      await transport.unary(method as DescMethod & { methodKind: "unary" }, undefined, 20_000, {}, message);
      return "OK";
    }
    const messages = (async function* () {
      yield create(method.input);
    })();
    const answer = await transport.stream(
      method as DescMethod & { methodKind: "server_streaming" },
      abort.signal,
      20_000,
      {},
      messages,
    );
    for await (const _ of answer.message) return "OK";
    return "no message";
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const detail = error.findDetails(ErrorDetailSchema)[0];
    return detail ? Reason[detail.reason] : `${Code[error.code]} without a reason`;
  } finally {
    abort.abort();
  }
}

function clientsOf(credential: string | undefined): Clients {
  return createClients({ baseUrl: server.http, ...(credential === undefined ? {} : { credential }) });
}
