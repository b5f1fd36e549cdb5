import { randomBytes } from "node:crypto";
import { answered } from "../clients/answers.ts";
import type { Clients } from "../clients/clients.ts";
import { AUDIENCE } from "../servers/server-process.ts";

/** The password of every user made here. */
export const PASSWORD = "plum orchard under seven bridges";

export interface TestUser {
  readonly id: string;
  readonly email: string;
}

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** Creates a user that no other test has. */
export async function createUser(users: Clients["admin"], roles: readonly string[] = []): Promise<TestUser> {
  return answered(async () => {
    const email = `${randomBytes(8).toString("hex")}@people.test`;
    const { user } = await users.createUser({ email, password: PASSWORD, roles: [...roles] });
    if (user === undefined) throw new Error("the answer has no user");
    return { id: user.id, email };
  });
}

interface Wanted {
  readonly audience?: string[];
  readonly scope?: string[];
  readonly userAgent?: string;
}

/** Logs in with `PASSWORD`, as the caller of `auth`. Tries again until the server has decided. */
export async function login(auth: Clients["auth"], email: string, wanted: Wanted = {}) {
  return answered(() => loginOnce(auth, email, wanted));
}

/** As `login`, with one try. */
export async function loginOnce(auth: Clients["auth"], email: string, wanted: Wanted = {}) {
  const { outcome } = await auth.login({ identifier: email, password: PASSWORD, ...wanted });
  const { tokens, session } = outcome.value ?? {};
  if (tokens === undefined || session === undefined) throw new Error("the login did not open a session");
  return { ...tokens, sessionId: session.id, session };
}

/** Refreshes as the caller of `auth`. Tries again until the server has decided. */
export async function refresh(
  auth: Clients["auth"],
  refreshToken: string,
  more: { readonly requestId?: string; readonly scope?: string[]; readonly clientId?: string } = {},
): Promise<Tokens> {
  const { tokens } = await answered(() => auth.refresh({ refreshToken, ...more }));
  if (tokens === undefined) throw new Error("the refresh has no tokens");
  return tokens;
}

/** Whether the server reports a token as active. Of one that is not, it must report nothing else. */
export async function isActive(auth: Clients["auth"], token: string): Promise<boolean> {
  const { active, subject, audience } = await answered(() => auth.introspect({ token }));
  if (active !== (subject !== "") || active !== audience.includes(AUDIENCE)) {
    throw new Error("an answer says more, or less, than whether the token is active");
  }
  return active;
}
