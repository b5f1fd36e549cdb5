import { randomBytes } from "node:crypto";
import { type Clients, createClients, reasonOf } from "../clients/clients.ts";
import { poll } from "../poll.ts";
import { createDatabase, type DatabaseOptions, withClient } from "../postgres/database.ts";
import { AUDIENCE, type ServerProcess, startServer, TOKENS } from "./server-process.ts";

export { each } from "../each.ts";

/** Of every user made here. */
export const PASSWORD = "plum orchard under seven bridges";

/** A server process, with clients by the credential that they show. */
export interface Replica {
  readonly server: ServerProcess;
  readonly web: Clients["auth"];
  readonly other: Clients["auth"];
  readonly admin: Clients["auth"];
  readonly users: Clients["admin"];
}

/** Two server processes on one database, which goes with them. */
export interface TwoServers extends AsyncDisposable {
  /** Of the tests' own connections. */
  readonly databaseUrl: string;
  /** What the servers were started with beside the usual settings. */
  readonly env: Readonly<Record<string, string>>;
  /** 32 bytes in base64. */
  readonly masterKey: string;
  readonly a: Replica;
  readonly b: Replica;
  /** Ends both in good order, then starts them anew on other ports. */
  restart(): Promise<void>;
  /** Rows of one statement, on a connection of the test's own. */
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
}

export interface TwoServersOptions extends DatabaseOptions {
  /** The URL by which the servers reach the database of a URL: that URL itself by default. */
  readonly through?: (databaseUrl: string) => string;
}

export async function startTwoServers(
  settings: Readonly<Record<string, string>> = {},
  { through = (url) => url, ...options }: TwoServersOptions = {},
): Promise<TwoServers> {
  const database = await createDatabase(options);
  const masterKey = randomBytes(32).toString("base64");
  const env = { POSTERN_MASTER_KEY: masterKey, ...settings };
  const databaseUrl = through(database.url);
  const start = () => Promise.all([0, 1].map(async () => replica(await startServer({ databaseUrl, env }))));
  let running = await start();
  const at = (index: number): Replica => {
    const found = running[index];
    if (found === undefined) throw new RangeError("there are two");
    return found;
  };
  async function stop(): Promise<void> {
    await Promise.all(running.map(({ server }) => server.stop()));
  }
  return {
    ...{ databaseUrl: database.url, env, masterKey },
    get a() {
      return at(0);
    },
    get b() {
      return at(1);
    },
    async restart() {
      await stop();
      running = await start();
    },
    query: (sql, values = []) =>
      withClient(database.url, async (client) => (await client.query(sql, [...values])).rows),
    async [Symbol.asyncDispose]() {
      await stop();
      await database.drop();
    },
  };
}

function replica(server: ServerProcess): Replica {
  const as = (credential: string) => createClients({ baseUrl: server.grpc, protocol: "grpc", credential });
  const admin = as(TOKENS.admin);
  return {
    server,
    web: as(TOKENS.web).auth,
    other: as(TOKENS.other).auth,
    admin: admin.auth,
    users: admin.admin,
  };
}

export interface TestUser {
  readonly id: string;
  readonly email: string;
}

/**
 * Calls until there is a verdict: on a machine with too much to do the database may be too late for one, and
 * then the server has not decided.
 * @param onUndecided told of every try that had none
 */
export async function answered<T>(call: () => Promise<T>, onUndecided?: () => void): Promise<T> {
  const outcome = await poll("an answer that is a verdict", 30_000, async () => {
    try {
      return { value: await call() };
    } catch (error) {
      if (!["UNAVAILABLE", "OVERLOADED"].includes(reasonOf(error))) return { error };
      onUndecided?.();
      return undefined;
    }
  });
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

export async function createUser({ users }: Replica): Promise<TestUser> {
  return answered(async () => {
    const email = `${randomBytes(6).toString("hex")}@postern.test`;
    const { user } = await users.createUser({ email, password: PASSWORD });
    if (user === undefined) throw new Error("no user was made");
    return { id: user.id, email };
  });
}

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** Logs in with `PASSWORD` as the caller `web`. */
export async function login(
  { web }: Replica,
  email: string,
  scope: string[] = [],
): Promise<Tokens & { readonly sessionId: string }> {
  const { outcome } = await answered(() => web.login({ identifier: email, password: PASSWORD, scope }));
  const { tokens, session } = outcome.value ?? {};
  if (tokens === undefined || session === undefined) throw new Error("the login has no outcome");
  return { ...tokens, sessionId: session.id };
}

/** Refreshes as the caller `web`. */
export async function refresh(
  { web }: Replica,
  refreshToken: string,
  more: { requestId?: string; scope?: string[]; clientId?: string } = {},
): Promise<Tokens> {
  const { tokens } = await answered(() => web.refresh({ refreshToken, ...more }));
  if (tokens === undefined) throw new Error("the refresh has no tokens");
  return tokens;
}

/** Whether `web` is told that a token is active; of one that is not it must be told nothing else. */
export async function isActive({ web }: Replica, token: string): Promise<boolean> {
  const { active, subject, audience } = await answered(() => web.introspect({ token }));
  if (active !== (subject !== "") || active !== audience.includes(AUDIENCE)) {
    throw new Error("an answer says more, or less, than whether the token is active");
  }
  return active;
}

/** The reason for which a call is refused; `answered` where it is not. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  return call.then(() => "answered", reasonOf);
}

/** How often each text occurs. */
export function tally(texts: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of texts) counts[text] = (counts[text] ?? 0) + 1;
  return counts;
}
