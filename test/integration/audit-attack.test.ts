import { randomBytes } from "node:crypto";
import { ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, createClients, reasonOf } from "../support/clients.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/database.ts";
import { createPerson, login as logIn, PASSWORD } from "../support/people.ts";
import { ISSUER, type ServerProcess, startServer, TOKENS } from "../support/server-process.ts";
import { limitedTo } from "./guesses.ts";
import { runPostern } from "./postern-command.ts";

const masterKey = randomBytes(32).toString("base64");
const attacker = "203.0.113.5";
const elsewhere = "198.51.100.9";
/** What is typed where a name is asked for. */
const typed = {
  password: "Tr0ub4dor-and-a-horse",
  address: "victim-to-be@elsewhere.test",
  text: "\u202esecret  text",
};
const sprayed = "Spring2026! everywhere";

interface Shown {
  readonly [member: string]: unknown;
  readonly detail: Readonly<Record<string, unknown>>;
}

let database: TestDatabase;
let server: ServerProcess;
const clients = new Map<string, Clients>();
const as = (credential: string): Clients => {
  const known = clients.get(credential) ?? createClients({ baseUrl: server.http, credential });
  clients.set(credential, known);
  return known;
};

beforeAll(async () => {
  database = await createDatabase();
  const env = {
    POSTERN_MASTER_KEY: masterKey,
    POSTERN_REFRESH_GRACE: "0s",
    POSTERN_LOG_LEVEL: "debug",
    ...limitedTo("account=3/1h"),
  };
  server = await startServer({ databaseUrl: database.url, env });
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** What a call came to, and its request id; of one that went well the log alone tells it. */
async function asked(call: () => Promise<unknown>): Promise<readonly [string, unknown]> {
  try {
    await call();
    return ["OK", expect.stringMatching(/^[0-9a-f-]{36}$/)];
  } catch (error) {
    return [reasonOf(error), ConnectError.from(error).metadata.get("x-request-id") ?? ""];
  }
}

async function command(...args: string[]): Promise<string> {
  const env = {
    POSTERN_DATABASE_URL: database.url,
    POSTERN_ISSUER: ISSUER,
    POSTERN_MASTER_KEY: masterKey,
  };
  const { code, stdout, stderr } = await runPostern(args, env);
  expect(code, `${args.join(" ")}: ${stderr}`).toBe(0);
  return stdout;
}

async function shown(...args: string[]): Promise<Shown[]> {
  const { events, nextPageToken } = JSON.parse(
    await command("audit", "--json", "--page-size", "1000", ...args),
  );
  expect(nextPageToken).toBe("");
  return events.toReversed();
}

/** The method that notes the event. */
function methodOf(event: string): RegExp {
  if (event.startsWith("login")) return /\/Login$/;
  if (event.startsWith("refresh")) return /\/Refresh$/;
  return event.endsWith("revoked") ? /\/Revoke$/ : /\/(SetPassword|DisableUser)$/;
}

test("K03: the audit of an attack tells every step, and no secret", { timeout: 120_000 }, async () => {
  const { admin: users, auth: all } = as(TOKENS.admin);
  const { auth: web } = as(TOKENS.web);
  const { auth: other } = as(TOKENS.other);
  const secrets: string[] = [masterKey, PASSWORD, sprayed, ...Object.values(typed), ...Object.values(TOKENS)];
  const keep = <T extends { accessToken: string; refreshToken: string }>(tokens: T): T => {
    secrets.push(tokens.accessToken, tokens.refreshToken);
    return tokens;
  };
  const wrong =
    (identifier: string, password: string, more: object = {}) =>
    () =>
      web.login({ identifier, password, clientAddress: attacker, ...more });

  const ann = await createPerson(users);
  const bob = await createPerson(users);
  const eve = await createPerson(users);
  const boss = await createPerson(users, ["admin"]);
  const nopass = (await users.createUser({ email: "nopass@people.test" })).user?.id ?? "";
  const since = new Date((await shown()).at(-1)?.["at"] as string);

  /** What the audit has to say, in this order. */
  const expected: Record<string, unknown>[] = [];
  const refused = { event: "login_refused", caller: "web", clientId: "web", clientAddress: attacker };

  // Names that nobody has, one of them twice.
  for (const name of [typed.password, typed.address, typed.text, typed.password]) {
    const [reason, requestId] = await asked(wrong(name, sprayed));
    expect(reason).toBe("INVALID_CREDENTIALS");
    expected.push({ ...refused, requestId, userId: null, detail: { reason: "unknown_user" } });
  }
  // One password for all.
  for (const { email, id: userId } of [ann, bob, eve]) {
    const [reason, requestId] = await asked(wrong(email, sprayed));
    expect(reason).toBe("INVALID_CREDENTIALS");
    expected.push({ ...refused, requestId, userId, detail: { reason: "wrong_password" } });
  }
  const [, untrusted] = await asked(() =>
    other.login({ identifier: bob.email, password: sprayed, clientAddress: attacker }),
  );
  expected.push({
    ...{ ...refused, requestId: untrusted, userId: bob.id, caller: "other", clientId: "other" },
    ...{ clientAddress: null, detail: { reason: "wrong_password" } },
  });
  const [, passwordless] = await asked(wrong("nopass@people.test", sprayed));
  expected.push({ ...refused, requestId: passwordless, userId: nopass, detail: { reason: "no_password" } });
  // One account until it is locked, also for the right password.
  for (let guess = 0; guess < 2; guess++) {
    const [, requestId] = await asked(wrong(ann.email, `${sprayed} ${guess}`));
    expected.push({ ...refused, requestId, userId: ann.id, detail: { reason: "wrong_password" } });
  }
  const limited: unknown[] = [];
  for (const password of [sprayed, PASSWORD, sprayed, sprayed]) {
    const [reason, requestId] = await asked(wrong(ann.email, password));
    expect(reason).toBe("RATE_LIMITED");
    limited.push(requestId);
  }
  // The right password from elsewhere.
  const login =
    (person: { email: string }, more: object = {}) =>
    async () => {
      const request = { identifier: person.email, password: PASSWORD, clientAddress: elsewhere, ...more };
      const { outcome } = await web.login(request);
      secrets.push(outcome.value?.deviceToken ?? "");
      opened = { ...keep(outcome.value?.tokens ?? { accessToken: "", refreshToken: "" }), sessionId: "" };
      opened.sessionId = outcome.value?.session?.id ?? "";
    };
  let opened = { accessToken: "", refreshToken: "", sessionId: "" };
  const [, loggedIn] = await asked(login(ann));
  const stolen = opened;
  const session = { userId: ann.id, sessionId: stolen.sessionId, clientId: "web" };
  expected.push({
    ...{ event: "login", caller: "web", requestId: loggedIn, clientAddress: elsewhere, ...session },
    detail: { amr: ["pwd"] },
  });
  // A stranger shows the refresh token, then the owner's client does, then the thief by the owner's client.
  const [foreign, foreignId] = await asked(() => other.refresh({ refreshToken: stolen.refreshToken }));
  expect(foreign).toBe("INVALID_REFRESH_TOKEN");
  expected.push({
    ...{ event: "refresh_foreign", caller: "other", requestId: foreignId, ...session, clientId: null },
    detail: { session_caller: "web" },
  });
  const forged = `${stolen.refreshToken.slice(0, -8)}AAAAAAAA`;
  expect((await asked(() => web.refresh({ refreshToken: forged })))[0]).toBe("INVALID_REFRESH_TOKEN");
  const next = await web.refresh({ refreshToken: stolen.refreshToken });
  keep(next.tokens ?? { accessToken: "", refreshToken: "" });
  const [reuse, reuseId] = await asked(() => web.refresh({ refreshToken: stolen.refreshToken }));
  expect(reuse).toBe("REFRESH_TOKEN_REUSED");
  expected.push({
    event: "refresh_reuse",
    caller: "web",
    requestId: reuseId,
    ...session,
    detail: { stored: 1, shown: 0 },
  });

  // An administrator, by an access token, makes an end.
  const { accessToken } = keep(await logIn(all, boss.email, { audience: [`${ISSUER}/postern`] }));
  expected.push({ event: "login", caller: "admin", userId: boss.id });
  const { auth, admin } = as(accessToken);
  const by = { caller: boss.id, clientAddress: null };
  const [, bobs] = await asked(login(bob));
  expected.push({ event: "login", requestId: bobs, userId: bob.id, sessionId: opened.sessionId });
  const token = opened.accessToken;
  const [, tokenId] = await asked(() => auth.revoke({ target: { case: "token", value: token } }));
  const bobsSession = { userId: bob.id, sessionId: opened.sessionId, clientId: "web" };
  const jti = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).jti;
  expected.push({
    event: "token_revoked",
    ...by,
    requestId: tokenId,
    ...bobsSession,
    detail: { token: jti },
  });
  const steps: [Record<string, unknown>, () => Promise<unknown>][] = [
    [
      { event: "session_revoked", ...bobsSession },
      () => auth.revoke({ target: { case: "sessionId", value: bobsSession.sessionId } }),
    ],
    [
      { event: "user_revoked", userId: bob.id, sessionId: null },
      () => auth.revoke({ target: { case: "userId", value: bob.id } }),
    ],
    [
      { event: "client_revoked", userId: null, clientId: "web" },
      () => auth.revoke({ target: { case: "clientId", value: "web" } }),
    ],
    [
      { event: "password_set", userId: ann.id },
      () => admin.setPassword({ userId: ann.id, password: `${PASSWORD} anew` }),
    ],
    [{ event: "user_disabled", userId: eve.id }, () => admin.disableUser({ userId: eve.id })],
  ];
  for (const [step, call] of steps) {
    const [reason, requestId] = await asked(call);
    expect({ step, reason }).toEqual({ step, reason: "OK" });
    expected.push({ ...step, ...by, requestId });
  }
  const [, disabledId] = await asked(wrong(eve.email, PASSWORD));
  expected.push({ ...refused, requestId: disabledId, userId: eve.id, detail: { reason: "disabled" } });
  await command("user", "set-roles", ann.email, "--role", "reader");
  const cli = { caller: "cli", requestId: expect.stringMatching(/^[0-9a-f-]{36}$/), clientAddress: null };
  expected.push({ event: "roles_set", ...cli, userId: ann.id, detail: { roles: ["reader"], before: [] } });
  await command("recover");
  expected.push({ event: "recovered", ...cli }, { event: "everything_revoked", ...cli });
  const wanted = (events: readonly Shown[]) =>
    events.filter(
      ({ at, event, detail }) =>
        new Date(at as string) > since &&
        detail["reason"] !== "rate_limited" &&
        !String(event).startsWith("key_"),
    );
  const told = wanted(await shown());
  expect(told.map(({ event }) => event)).toEqual(expected.map(({ event }) => event));
  for (const [index, event] of told.entries()) {
    // Of an unknown account the mark stands beside the reason.
    const detail = Object.fromEntries(Object.entries(event.detail).filter(([name]) => name !== "account"));
    expect({ ...event, detail }).toMatchObject(expected[index] ?? {});
  }
  const [first, second, third, again] = told.map(({ detail }) => detail["account"]);
  expect(first).toMatch(/^[\w-]{16}$/);
  expect(again).toBe(first);
  expect(new Set([first, second, third]).size).toBe(3);

  // What was counted, and logged, is told when the server ends, if not before.
  expect(await server.stop()).toBe(0);
  const counted = (await shown()).filter(({ detail }) => detail["reason"] === "rate_limited");
  const total = counted.reduce((sum, { detail }) => sum + Number(detail["count"]), 0);
  expect(total).toBe(limited.length);
  for (const event of counted) {
    expect(event).toMatchObject({ ...refused, userId: ann.id });
    expect(limited).toContain(event["requestId"]);
  }

  // Every call is found in the log by the audit's request id, and under its method.
  const methods = new Map(server.logs.map((line) => [line["request_id"], line["method"]]));
  for (const { event, caller, requestId } of [...told, ...counted]) {
    if (caller !== "cli") expect(methods.get(requestId), String(event)).toMatch(methodOf(String(event)));
  }

  // As an operator asks.
  const names = async (...args: string[]) => (await shown(...args)).map(({ event }) => event);
  expect(await names("--session", stolen.sessionId)).toEqual(["login", "refresh_foreign", "refresh_reuse"]);
  expect(new Set(await names("--user", ann.email))).toEqual(
    new Set([
      "user_created",
      "login_refused",
      "login",
      "refresh_foreign",
      "refresh_reuse",
      "password_set",
      "roles_set",
    ]),
  );
  expect((await shown("--account", String(first))).map(({ detail }) => detail["account"])).toEqual([
    first,
    first,
  ]);
  expect(new Set((await shown("--address", attacker, "--since", "1h")).map(({ event }) => event))).toEqual(
    new Set(["login_refused"]),
  );
  expect(await names("--caller", boss.id)).toEqual(["token_revoked", ...steps.map(([{ event }]) => event)]);
  expect(await names("--client", "other")).toEqual(["login_refused"]);

  const rows = await withClient(database.url, async (client) => {
    const hashes = await client.query(
      "select password_hash from postern.users where password_hash is not null",
    );
    secrets.push(...hashes.rows.flatMap(({ password_hash: hash }) => String(hash).split("$").slice(-2)));
    return (await client.query("select a::text as row from postern.audit a")).rows.map(({ row }) =>
      String(row),
    );
  });
  const outputs = [
    ...rows,
    await command("audit", "--json", "--page-size", "1000"),
    await command("audit", "--page-size", "1000"),
  ];
  expect(secrets.filter((secret) => secret.length > 8).length).toBeGreaterThan(20);
  for (const secret of secrets.filter((one) => one !== "")) {
    for (const form of [
      secret,
      Buffer.from(secret).toString("base64"),
      JSON.stringify(secret).slice(1, -1),
    ]) {
      for (const output of outputs) expect(output).not.toContain(form);
    }
  }
});
