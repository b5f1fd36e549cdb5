import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { answered } from "../clients/answers.ts";
import { type Clients, createClients, reasonOf } from "../clients/clients.ts";
import { createUser, login, PASSWORD } from "../people/people.ts";
import { type ServerProcess, startServer, TOKENS } from "../servers/server-process.ts";

/** Only separates calls that hang from calls that are answered. */
export const inTime = { timeoutMs: 5_000 };
/** For what must answer while nothing is broken. */
export const patient = { timeoutMs: 20_000 };

/** A server, with clients by the credential that they show. */
export interface Site extends AsyncDisposable {
  readonly server: ServerProcess;
  readonly admin: Clients;
  readonly web: Clients;
}

export async function openSite(
  databaseUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Site> {
  const server = await startServer({ databaseUrl, env });
  const admin = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.admin });
  const web = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.web });
  return {
    server,
    admin,
    web,
    async [Symbol.asyncDispose]() {
      admin[Symbol.dispose]();
      web[Symbol.dispose]();
      await server.stop();
    },
  };
}

export interface Session {
  readonly userId: string;
  readonly email: string;
  readonly sessionId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** A session of a user who has no other. */
export async function openSession({ admin, web }: Site): Promise<Session> {
  const { id: userId, email } = await createUser(admin.admin);
  const { sessionId, accessToken, refreshToken } = await login(web.auth, email);
  return { userId, email, sessionId, accessToken, refreshToken };
}

export type CallName =
  | "Login"
  | "Login by a wrong password"
  | "Refresh"
  | "Introspect of an access token"
  | "Introspect of a refresh token"
  | "Revoke of an access token"
  | "Revoke of a refresh token"
  | "Revoke of a session"
  | "Revoke of a user"
  | "SetPassword"
  | "DisableUser";

export type Call = () => Promise<unknown>;

/** Calls that concern a session, each of which may be made again and again. */
export function callsFor({ admin, web }: Site, session: Session): Record<CallName, Call> {
  const { userId, email, sessionId, accessToken, refreshToken } = session;
  const introspect = (token: string) => async () =>
    (await web.auth.introspect({ token }, inTime)).active ? "active" : "inactive";
  const revoke =
    (target: { case: "sessionId" | "token" | "userId"; value: string }, { auth } = web) =>
    () =>
      auth.revoke({ target }, inTime);
  return {
    Login: () => web.auth.login({ identifier: email, password: PASSWORD }, inTime),
    "Login by a wrong password": () => web.auth.login({ identifier: email, password: "wrong" }, inTime),
    Refresh: () => web.auth.refresh({ refreshToken }, inTime),
    "Introspect of an access token": introspect(accessToken),
    "Introspect of a refresh token": introspect(refreshToken),
    "Revoke of an access token": revoke({ case: "token", value: accessToken }),
    "Revoke of a refresh token": revoke({ case: "token", value: refreshToken }),
    "Revoke of a session": revoke({ case: "sessionId", value: sessionId }),
    "Revoke of a user": revoke({ case: "userId", value: userId }, admin),
    SetPassword: () => admin.admin.setPassword({ userId, password: PASSWORD }, inTime),
    DisableUser: () => admin.admin.disableUser({ userId }, inTime),
  };
}

/** The outcomes of the calls that change nothing for others, without faults. */
export const allWell = {
  Login: "answered",
  "Login by a wrong password": "INVALID_CREDENTIALS",
  Refresh: "answered",
  "Introspect of an access token": "active",
  "Introspect of a refresh token": "active",
} as const;

/**
 * What a call came to: the text that it answered with, `answered` for an answer of any other kind, or the reason
 * of its refusal. A temporary refusal without a retry delay has no reason.
 */
export async function outcomeOf(call: Call): Promise<string> {
  try {
    const answer = await call();
    return typeof answer === "string" ? answer : "answered";
  } catch (error) {
    const reason = reasonOf(error);
    if (!["UNAVAILABLE", "OVERLOADED"].includes(reason)) return reason;
    const result = ConnectError.from(error);
    const { seconds = 0n, nanos = 0 } = result.findDetails(ErrorDetailSchema)[0]?.retryAfter ?? {};
    const saysWhen =
      (seconds > 0n || nanos > 0) && /^[1-9]\d*$/.test(result.metadata.get("retry-after") ?? "");
    return saysWhen ? reason : `${reason} without a time`;
  }
}

/** The outcomes of some calls made at once, by their names. */
export async function outcomesOf(
  calls: Readonly<Record<CallName, Call>>,
  names = Object.keys(calls) as readonly CallName[],
): Promise<Partial<Record<CallName, string>>> {
  const all = names.map(async (name) => [name, await outcomeOf(calls[name])]);
  return Object.fromEntries(await Promise.all(all));
}

/** The same outcome for each of the calls. */
export function allOf(names: readonly CallName[], outcome: string): Partial<Record<CallName, string>> {
  return Object.fromEntries(names.map((name) => [name, outcome]));
}

export function namesOf(byName: Readonly<Partial<Record<CallName, unknown>>>): CallName[] {
  return Object.keys(byName) as CallName[];
}

/** The outcomes of `allWell`, as soon as each call has a verdict. */
export async function outcomesOfWell(
  site: Site,
  session: Session,
): Promise<Partial<Record<CallName, string>>> {
  const calls = callsFor(site, session);
  const patiently = Object.fromEntries(
    namesOf(allWell).map((name) => [name, () => answered(calls[name])]),
  ) as Record<CallName, Call>;
  return outcomesOf(patiently);
}
