import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { limitedTo } from "../support/load/guesses.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { ISSUER, type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";
import { onceEach, type Shown } from "./audit-attack-calls.ts";
import { attack, attacker, createPeople, refused } from "./audit-attack-script.ts";

const masterKey = randomBytes(32).toString("base64");

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
    ...limitedTo("account=6/1h"),
  };
  server = await startServer({ databaseUrl: database.url, env });
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

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

/** What the audit has, the oldest first, and each call once. */
async function shown(...args: string[]): Promise<Shown[]> {
  const { events, nextPageToken } = JSON.parse(
    await command("audit", "--json", "--page-size", "1000", ...args),
  );
  expect(nextPageToken).toBe("");
  return onceEach(events);
}
const names = async (...args: string[]) => (await shown(...args)).map(({ event }) => event);

/** The method that notes the event. */
function methodOf(event: string): RegExp {
  if (event.startsWith("login")) return /\/Login$/;
  if (event.startsWith("refresh")) return /\/Refresh$/;
  return event.endsWith("revoked") ? /\/Revoke$/ : /\/(SetPassword|DisableUser)$/;
}

test("K03: the audit of an attack has every step, and no secret", { timeout: 180_000 }, async () => {
  const people = await createPeople(as(TOKENS.admin).admin);
  const { ann, boss } = people;
  const since = new Date((await shown()).at(-1)?.["at"] as string);
  const { expected, limited, secrets, sessionId, ending } = await attack(as, people);
  await command("user", "set-roles", ann.email, "--role", "reader");
  const cli = { caller: "cli", requestId: expect.stringMatching(/^[0-9a-f-]{36}$/), clientAddress: null };
  expected.push({ event: "roles_set", ...cli, userId: ann.id, detail: { roles: ["reader"], before: [] } });
  await command("recover");
  expected.push({ event: "recovered", ...cli }, { event: "everything_revoked", ...cli });

  const result = (await shown()).filter(
    ({ at, event, detail }) =>
      new Date(at as string) > since &&
      detail["reason"] !== "rate_limited" &&
      !String(event).startsWith("key_"),
  );
  expect(result.map(({ event }) => event)).toEqual(expected.map(({ event }) => event));
  for (const [index, event] of result.entries()) {
    // For an unknown account, the pseudonym is next to the reason.
    const detail = Object.fromEntries(Object.entries(event.detail).filter(([name]) => name !== "account"));
    expect({ ...event, detail }).toMatchObject(expected[index] ?? {});
  }
  const [first, second, third, again] = result.map(({ detail }) => detail["account"]);
  expect(first).toMatch(/^[\w-]{16}$/);
  expect(again).toBe(first);
  expect(new Set([first, second, third]).size).toBe(3);

  // Counted logins are recorded when the server ends, if not before.
  expect(await server.stop()).toBe(0);
  const counted = (await shown()).filter(({ detail }) => detail["reason"] === "rate_limited");
  const total = counted.reduce((sum, { detail }) => sum + Number(detail["count"]), 0);
  expect(total).toBe(limited.length);
  for (const event of counted) {
    expect(event).toMatchObject({ ...refused, userId: ann.id });
    expect(limited).toContain(event.requestId);
  }

  // Every call is found in the log by the audit's request id, and under its method.
  const methods = new Map(server.logs.map((line) => [line["request_id"], line["method"]]));
  for (const { event, caller, requestId } of [...result, ...counted] as Record<string, unknown>[]) {
    if (caller !== "cli") expect(methods.get(requestId), String(event)).toMatch(methodOf(String(event)));
  }

  await expectAnswers({ ann, boss, sessionId, ending, account: String(first) });
  await expectUntold([masterKey, ...secrets]);
});

/** As an operator asks. */
async function expectAnswers(of: {
  readonly ann: { readonly email: string };
  readonly boss: { readonly id: string };
  readonly sessionId: string;
  readonly ending: readonly string[];
  readonly account: string;
}): Promise<void> {
  expect(await names("--session", of.sessionId)).toEqual(["login", "refresh_foreign", "refresh_reuse"]);
  expect(new Set(await names("--user", of.ann.email))).toEqual(
    new Set([
      ...["user_created", "login_refused", "login", "refresh_foreign", "refresh_reuse"],
      ...["password_set", "roles_set"],
    ]),
  );
  const marks = (await shown("--account", of.account)).map(({ detail }) => detail["account"]);
  expect(marks).toEqual([of.account, of.account]);
  expect(new Set(await names("--address", attacker, "--since", "1h"))).toEqual(new Set(["login_refused"]));
  expect(await names("--caller", of.boss.id)).toEqual(of.ending);
  expect(await names("--client", "other")).toEqual(["login_refused"]);
}

/** No secret is in what is stored, or shown. */
async function expectUntold(secrets: readonly string[]): Promise<void> {
  const [hashes, rows] = await withClient(database.url, async (client) => {
    const users = "select password_hash from postern.users where password_hash is not null";
    const found = (await client.query<{ password_hash: string }>(users)).rows;
    const audit = await client.query<{ row: string }>("select a::text as row from postern.audit a");
    return [
      found.flatMap(({ password_hash: hash }) => hash.split("$").slice(-2)),
      audit.rows.map(({ row }) => row),
    ];
  });
  const outputs = [
    ...rows,
    await command("audit", "--json", "--page-size", "1000"),
    await command("audit", "--page-size", "1000"),
  ];
  const all = [...secrets, ...hashes].filter((one) => one !== "");
  expect(all.filter((secret) => secret.length > 8).length).toBeGreaterThan(20);
  for (const secret of all) {
    for (const form of [
      secret,
      Buffer.from(secret).toString("base64"),
      JSON.stringify(secret).slice(1, -1),
    ]) {
      for (const output of outputs) expect(output).not.toContain(form);
    }
  }
}
