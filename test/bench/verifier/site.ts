import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Client } from "pg";
import type { VerifierOptions } from "../../../services/client/src/index.ts";
import { type Clients, createClients } from "../../support/clients/clients.ts";
import { each } from "../../support/each.ts";
import { type OpenedSession, openSessionSource } from "../../support/people/session-source.ts";
import { poll } from "../../support/poll.ts";
import type { PostgresServer } from "../../support/postgres/postgres-server.ts";
import {
  AUDIENCE,
  ISSUER,
  type ServerProcess,
  startServer,
  TOKENS,
} from "../../support/servers/server-process.ts";
import { createPeople } from "../people.ts";

/** Bytes of memory. */
export interface Memory {
  readonly rss: number;
  /** After garbage collection: the heap, and the external memory of objects. */
  readonly used: number;
}

/** A server that is as its users have it, and sessions on it. */
export interface Site extends AsyncDisposable {
  readonly server: ServerProcess;
  /** As a caller with all permissions. */
  readonly clients: Clients;
  readonly verifierOptions: VerifierOptions;
  openSessions(count: number): Promise<OpenedSession[]>;
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** The server's. */
  memory(): Promise<Memory>;
}

export async function openSite(postgres: PostgresServer): Promise<Site> {
  await using opened = new AsyncDisposableStack();
  const masterKey = randomBytes(32).toString("base64");
  const client = new Client({ connectionString: postgres.url });
  // Its statements fail then, with an error.
  client.on("error", () => {});
  await client.connect();
  opened.defer(() => client.end());
  // An abandoned statement must not slow down the measured ones.
  await client.query("alter role current_user set client_connection_check_interval = '500ms'");
  const server = opened.use(
    await startServer({
      databaseUrl: postgres.url,
      env: { POSTERN_MASTER_KEY: masterKey },
      preload: `${import.meta.dirname}/../../support/servers/collect-garbage.ts`,
    }),
  );
  const source = opened.use(await openSessionSource({ databaseUrl: postgres.url, masterKey }));
  const people = await createPeople(postgres.url, 50);
  const clients = opened.use(createClients({ baseUrl: server.http, credential: TOKENS.admin }));
  const all = opened.move();
  let count = 0;
  return {
    server,
    clients,
    verifierOptions: {
      issuer: ISSUER,
      audience: AUDIENCE,
      revocations: { baseUrl: server.http, token: TOKENS.admin },
      // It reports what it knows itself.
      onStale: "accept",
    },
    openSessions: (wanted) =>
      each(Array.from({ length: wanted }), 4, async () =>
        source.open(people[count++ % people.length]?.id ?? ""),
      ),
    query: async (sql, values = []) => (await client.query(sql, [...values])).rows,
    memory: () => memoryOf(server),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function memoryOf({ pid, logs }: ServerProcess): Promise<Memory> {
  const before = logs.length;
  process.kill(pid, "SIGUSR2");
  const used = await poll("it has collected its garbage", 60_000, async () => {
    const result = logs.slice(before).find(({ event }) => event === "collected");
    return result && Number(result["heapUsed"]) + Number(result["external"]);
  });
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return { rss: Number(kib) * 1_024, used };
}
