import { randomUUID } from "node:crypto";
import type { CallOptions } from "@connectrpc/connect";
import { expect } from "vitest";
import { answered } from "../support/clients/answers.ts";
import type { Clients } from "../support/clients/clients.ts";
import { createUser, PASSWORD } from "../support/people/people.ts";
import { ISSUER, TOKENS } from "../support/servers/server-process.ts";
import { asked } from "./audit-attack-calls.ts";

export const attacker = "203.0.113.5";
const elsewhere = "198.51.100.9";
/** Texts entered as a name. */
const typed = {
  password: "Tr0ub4dor-and-a-horse",
  address: "victim-to-be@elsewhere.test",
  text: "\u202esecret  text",
};
const sprayed = "Spring2026! everywhere";

interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

type Expected = Readonly<Record<string, unknown>>;

/** People whom no part of the attack has met. */
export async function createPeople(users: Clients["admin"]) {
  const person = (roles: string[] = []) => createUser(users, roles);
  const withoutPassword = await answered(async () => {
    const { user } = await users.createUser({ email: `${randomUUID()}@people.test` });
    return user ?? expect.unreachable();
  });
  return {
    ann: await person(),
    bob: await person(),
    eve: await person(),
    boss: await person(["admin"]),
    nopass: withoutPassword,
  };
}

export type People = Awaited<ReturnType<typeof createPeople>>;

/** What every event of a login by the attacker has that was refused. */
export const refused = {
  event: "login_refused",
  caller: "web",
  clientId: "web",
  clientAddress: attacker,
} as const;

/** The steps of the attack, and the expected records. */
export interface Attack {
  /** In this order. */
  readonly expected: Expected[];
  /** Request ids of logins that no budget admitted. */
  readonly limited: string[];
  readonly secrets: string[];
  /** The session whose tokens were stolen. */
  readonly sessionId: string;
  /** Events of the administrator who makes an end. */
  readonly ending: string[];
}

/** @param as clients by the credential that they show; the server allows 6 wrong passwords per account */
export async function attack(
  as: (credential: string) => Clients,
  { ann, bob, eve, boss, nopass }: People,
): Promise<Attack> {
  const { auth: web } = as(TOKENS.web);
  const { auth: other } = as(TOKENS.other);
  const expected: Expected[] = [];
  const secrets: string[] = [PASSWORD, sprayed, ...Object.values(typed), ...Object.values(TOKENS)];
  const keep = <T extends Tokens>(tokens: T | undefined): T => {
    if (tokens === undefined) expect.unreachable();
    secrets.push(tokens.accessToken, tokens.refreshToken);
    return tokens;
  };
  const guess = (identifier: string, password: string) =>
    asked((options) => web.login({ identifier, password, clientAddress: attacker }, options));
  /** A guess that is judged, and whose refusal the audit has for that reason. */
  async function judged(identifier: string, password: string, userId: string | null, reason: string) {
    const result = await guess(identifier, password);
    expect(result.reason).toBe("INVALID_CREDENTIALS");
    expected.push({ ...refused, requestId: result.requestId, userId, detail: { reason } });
  }
  /** The right password from elsewhere. */
  async function logIn({ email, id: userId }: { email: string; id: string }) {
    let opened = { accessToken: "", refreshToken: "", sessionId: "" };
    const { requestId } = await asked(async (options) => {
      const request = { identifier: email, password: PASSWORD, clientAddress: elsewhere };
      const { value } = (await web.login(request, options)).outcome;
      secrets.push(value?.deviceToken ?? "");
      opened = { ...keep(value?.tokens), sessionId: value?.session?.id ?? "" };
    });
    const session = { userId, sessionId: opened.sessionId, clientId: "web" };
    expected.push({
      event: "login",
      caller: "web",
      requestId,
      clientAddress: elsewhere,
      ...session,
      detail: { amr: ["pwd"] },
    });
    return { ...opened, session };
  }

  // Unknown names, one of them twice.
  for (const name of [typed.password, typed.address, typed.text, typed.password]) {
    await judged(name, sprayed, null, "unknown_user");
  }
  // One password for all.
  for (const { email, id } of [ann, bob, eve]) await judged(email, sprayed, id, "wrong_password");
  const untrusted = await asked((options) =>
    other.login({ identifier: bob.email, password: sprayed, clientAddress: attacker }, options),
  );
  expected.push({
    ...refused,
    requestId: untrusted.requestId,
    userId: bob.id,
    caller: "other",
    clientId: "other",
    clientAddress: null,
    detail: { reason: "wrong_password" },
  });
  await judged(nopass.email, sprayed, nopass.id, "no_password");
  // One account until it is locked, also for the right password.
  const limited: string[] = [];
  for (let wrong = 0; limited.length === 0; wrong++) {
    const { reason, requestId } = await guess(ann.email, `${sprayed} ${wrong}`);
    if (reason === "RATE_LIMITED") limited.push(requestId);
    else expected.push({ ...refused, requestId, userId: ann.id, detail: { reason: "wrong_password" } });
    expect(wrong).toBeLessThan(6);
  }
  for (const password of [sprayed, PASSWORD, sprayed, sprayed]) {
    const { reason, requestId } = await guess(ann.email, password);
    expect(reason).toBe("RATE_LIMITED");
    limited.push(requestId);
  }
  const { session, refreshToken } = await logIn(ann);
  // Another client uses the refresh token, then the owner's client, then the thief with the owner's client.
  const foreign = await asked((options) => other.refresh({ refreshToken }, options));
  expect(foreign.reason).toBe("INVALID_REFRESH_TOKEN");
  expected.push({
    event: "refresh_foreign",
    caller: "other",
    requestId: foreign.requestId,
    ...session,
    detail: { session_caller: "web" },
  });
  const forged = `${refreshToken.slice(0, -8)}AAAAAAAA`;
  const garbage = await asked((options) => web.refresh({ refreshToken: forged }, options));
  expect(garbage.reason).toBe("INVALID_REFRESH_TOKEN");
  const request = { refreshToken, requestId: randomUUID() };
  const next = await asked(async (options) => keep((await web.refresh(request, options)).tokens));
  expect(next.reason).toBe("OK");
  const reuse = await asked((options) => web.refresh({ refreshToken }, options));
  // The latter where a try before it had no verdict.
  expect(["REFRESH_TOKEN_REUSED", "SESSION_ENDED"]).toContain(reuse.reason);
  expected.push({
    event: "refresh_reuse",
    caller: "web",
    requestId: reuse.requestId,
    ...session,
    detail: { stored: 1, shown: 0 },
  });

  // An administrator, by an access token, makes an end.
  const audience = [`${ISSUER}/postern`];
  let accessToken = "";
  const { requestId } = await asked(async (options) => {
    const { auth } = as(TOKENS.admin);
    const { outcome } = await auth.login({ identifier: boss.email, password: PASSWORD, audience }, options);
    ({ accessToken } = keep(outcome.value?.tokens));
  });
  expected.push({ event: "login", caller: "admin", userId: boss.id, requestId });
  const ended = await logIn(bob);
  const steps = endOf(as(accessToken), ended, { ann, bob, eve });
  for (const [step, call] of steps) {
    const { reason, requestId } = await asked(call);
    expect({ step, reason }).toEqual({ step, reason: "OK" });
    expected.push({ ...step, caller: boss.id, clientAddress: null, requestId });
  }
  await judged(eve.email, PASSWORD, eve.id, "disabled");
  const ending = steps.map(([{ event }]) => String(event));
  return { expected, limited, secrets, sessionId: session.sessionId, ending };
}

/** What an administrator does, and the event of each step. */
function endOf(
  { auth, admin }: Clients,
  { session, accessToken }: Tokens & { readonly session: Expected & { readonly sessionId: string } },
  { ann, bob, eve }: Pick<People, "ann" | "bob" | "eve">,
): readonly (readonly [Expected, (options: CallOptions) => Promise<unknown>])[] {
  const { jti } = JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString());
  const revoke =
    (target: { case: "token" | "sessionId" | "userId" | "clientId"; value: string }) =>
    (options: CallOptions) =>
      auth.revoke({ target }, options);
  const password = `${PASSWORD} again`;
  return [
    [
      { event: "token_revoked", ...session, detail: { token: jti } },
      revoke({ case: "token", value: accessToken }),
    ],
    [{ event: "session_revoked", ...session }, revoke({ case: "sessionId", value: session.sessionId })],
    [{ event: "user_revoked", userId: bob.id, sessionId: null }, revoke({ case: "userId", value: bob.id })],
    [{ event: "client_revoked", userId: null, clientId: "web" }, revoke({ case: "clientId", value: "web" })],
    [
      { event: "password_set", userId: ann.id },
      (options) => admin.setPassword({ userId: ann.id, password }, options),
    ],
    [{ event: "user_disabled", userId: eve.id }, (options) => admin.disableUser({ userId: eve.id }, options)],
  ];
}
