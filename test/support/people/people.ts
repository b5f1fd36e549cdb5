import { randomBytes } from "node:crypto";
import type { Clients } from "../clients/clients.ts";

export const PASSWORD = "a horse that nobody has counted 71";

/** A user that no other test has, who may log in with `PASSWORD`. */
export async function createPerson(admin: Clients["admin"], roles: readonly string[] = []) {
  const email = `p${randomBytes(8).toString("hex")}@people.test`;
  const { user } = await admin.createUser({ email, password: PASSWORD, roles: [...roles] });
  if (user === undefined) throw new Error("no user came back");
  return { email, id: user.id };
}

/** Logs in through the caller that `auth` speaks for. */
export async function login(
  auth: Clients["auth"],
  email: string,
  wanted: { readonly audience?: string[]; readonly scope?: string[]; readonly userAgent?: string } = {},
) {
  const { outcome } = await auth.login({ identifier: email, password: PASSWORD, ...wanted });
  const { tokens, session } = outcome.value ?? {};
  if (tokens === undefined || session === undefined) throw new Error("the login did not open a session");
  return { ...tokens, sessionId: session.id, session };
}
