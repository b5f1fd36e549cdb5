import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { answered } from "../clients/answers.ts";
import { PASSWORD } from "../people/people.ts";
import { type CallName, callsFor, openSession, outcomesOf, type Site } from "../postgres/postgres-site.ts";
import { suitePolicy } from "../postgres/session-bench.ts";
import { newId, openStores } from "../postgres/stores.ts";
import { runPostern } from "./postern-command.ts";

/** The order matters: no token is active after its user was revoked. */
const wanted = [
  ["Login", "answered"],
  ["Login by a wrong password", "INVALID_CREDENTIALS"],
  ["Refresh", "answered"],
  ["Introspect of an access token", "active"],
  ["Introspect of a refresh token", "active"],
  ["Revoke of an access token", "answered"],
  ["Revoke of a refresh token", "answered"],
  ["Revoke of a session", "answered"],
  ["Revoke of a user", "answered"],
  ["SetPassword", "answered"],
  ["DisableUser", "answered"],
] as const satisfies readonly (readonly [CallName, string])[];

/** Makes every kind of call that uses the database, and expects it to be answered. */
export async function makeEveryCall(site: Site): Promise<void> {
  const session = await openSession(site);
  const calls = callsFor(site, session);
  for (const [name, outcome] of wanted) {
    const patiently = { ...calls, [name]: () => answered(calls[name]) };
    expect(await outcomesOf(patiently, [name])).toEqual({ [name]: outcome });
  }
  const { admin, auth } = site.admin;
  const { userId, sessionId } = session;
  await answered(() => admin.enableUser({ userId }));
  const { user } = await answered(() => admin.getUser({ key: { case: "userId", value: userId } }));
  expect(user).toMatchObject({ id: userId, disabled: false });
  expect((await answered(() => admin.listUsers({}))).users.length).toBeGreaterThan(0);
  await answered(() => auth.listSessions({ userId }));
  for (const filter of [{}, { userId }, { sessionId, events: ["login"] }]) {
    const { events } = await answered(() => admin.listAuditEvents(filter));
    expect(events.length).toBeGreaterThan(0);
  }
}

/** Runs every kind of command that uses the database, each as a process, and expects it to succeed. */
export async function runEveryCommand(env: Readonly<Record<string, string>>): Promise<void> {
  const email = `c${randomBytes(6).toString("hex")}@people.test`;
  const commands = [
    ["user", "create", "--email", email, "--password-file", "-"],
    ["user", "set-roles", email, "--role", "reader"],
    ["user", "get", email],
    ["user", "enable", email],
    ["user", "list", "--query", "c"],
    ["session", "list", "--user", email, "--all"],
    ["key", "prepare", "--purpose", "signing"],
    ["key", "taint", "--purpose", "signing"],
    ["audit", "--user", email],
    ["recover"],
    ["migrate"],
  ];
  for (const args of commands) {
    const { code, stderr } = await runPostern(args, env, { stdin: PASSWORD });
    expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: expect.any(String) });
  }
}

/** Runs each background job of a server once. */
export async function doEveryJob(databaseUrl: string): Promise<void> {
  await using stores = openStores(databaseUrl, suitePolicy);
  for (const kind of ["sessions", "revocations", "addresses"] as const) {
    const outcome = await stores.cleaner.clean(kind, { limit: 10, from: undefined });
    expect(outcome).toMatchObject({ kind: "cleaned" });
  }
  expect(await stores.audit.purge(suitePolicy.sessionTtlMs, 10)).toBe(0);
  const about = { userId: undefined, clientId: undefined, clientAddress: undefined, detail: {} };
  await stores.audit.record([{ event: "login_refused", caller: "test", requestId: newId(), ...about }]);
}
