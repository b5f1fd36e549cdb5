import { randomBytes } from "node:crypto";
import { type Clients, createClients } from "../clients/clients.ts";
import { createDatabase, type DatabaseOptions, withClient } from "../postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "./server-process.ts";

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
  /** The servers' settings besides the usual ones. */
  readonly env: Readonly<Record<string, string>>;
  /** 32 bytes in base64. */
  readonly masterKey: string;
  readonly a: Replica;
  readonly b: Replica;
  /** Ends both in good order, then starts them again on other ports. */
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
    databaseUrl: database.url,
    env,
    masterKey,
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
