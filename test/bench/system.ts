import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { each } from "../support/each.ts";
import {
  type OpenedSession,
  openSessionSource,
  type SessionSource,
} from "../support/people/session-source.ts";
import type { PostgresServer } from "../support/postgres/postgres-server.ts";
import type { RedisServer } from "../support/redis/redis.ts";
import { TOKENS } from "../support/servers/server-process.ts";
import { clusterCpuMs, cpuMs } from "./cpu.ts";
import { createPeople, type Person } from "./people.ts";
import { type Server, startServer } from "./server.ts";
import type { Protocol } from "./wire-forms.ts";

/** Processor time so far, in milliseconds; `redis` is 0 without Redis. */
export interface Cpu {
  readonly server: number;
  readonly postgres: number;
  readonly redis: number;
}

/** A server with its database and, maybe, its Redis, and who calls it. */
export interface System extends AsyncDisposable {
  readonly hasRedis: boolean;
  readonly server: Server;
  /** What the caller `web` shows. */
  readonly credential: string;
  /** Users who log in; sessions are opened of others. */
  readonly people: readonly Person[];
  /** Opens sessions of many users in turn. */
  openSessions(count: number): Promise<OpenedSession[]>;
  /** A client of the usual kind, as the caller `web`. */
  client(protocol: Protocol): Clients;
  /** Rows of one statement, on a connection of the benchmark's own. */
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  cpu(): Cpu;
  /** Another server on the same state, just started. */
  startAnother(): Promise<Server>;
}

export interface SystemOptions {
  readonly postgres: PostgresServer;
  readonly redis: RedisServer | undefined;
  readonly logFile: string;
  /** Of each of the two groups of users. */
  readonly people: number;
}

export async function openSystem({ postgres, redis, logFile, people }: SystemOptions): Promise<System> {
  await using opened = new AsyncDisposableStack();
  const databaseUrl = await createDatabase(postgres.url);
  const [masterKey, credential] = [randomBytes(32).toString("base64"), TOKENS.web];
  const start = () => startServer({ databaseUrl, redisUrl: redis?.url, masterKey, logFile });
  const server = opened.use(await start());
  const source = opened.use(await openSessionSource({ databaseUrl, masterKey }));
  const [own, logins] = [await createPeople(databaseUrl, people), await createPeople(databaseUrl, people)];
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  opened.defer(() => client.end());
  const redisPid = await pidOf(redis);
  const all = opened.move();
  return {
    hasRedis: redis !== undefined,
    server,
    credential,
    people: logins,
    startAnother: start,
    openSessions: (count) => openSessions(source, own, count),
    client: (protocol) =>
      createClients({
        credential,
        ...(protocol === "gRPC"
          ? { baseUrl: server.urls.grpc, protocol: "grpc" }
          : { baseUrl: server.urls.http, protocol: "connect" }),
      }),
    query: async (sql, values = []) => (await client.query(sql, [...values])).rows,
    cpu: () => ({
      server: cpuMs(server.pid),
      postgres: clusterCpuMs(postgres.pid ?? 0),
      redis: redisPid === undefined ? 0 : cpuMs(redisPid),
    }),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

let opened = 0;

function openSessions(
  source: SessionSource,
  own: readonly Person[],
  count: number,
): Promise<OpenedSession[]> {
  return each(Array.from({ length: count }), 4, async () =>
    source.open(own[opened++ % own.length]?.id ?? ""),
  );
}

async function createDatabase(admin: string): Promise<string> {
  const name = `bench_${randomBytes(6).toString("hex")}`;
  const client = new Client({ connectionString: admin });
  await client.connect();
  try {
    await client.query(`create database ${name} template template0`);
  } finally {
    await client.end();
  }
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return url.href;
}

async function pidOf(redis: RedisServer | undefined): Promise<number | undefined> {
  const result = /^process_id:(\d+)/m.exec(String(await redis?.command("INFO", "server")));
  return result ? Number(result[1]) : undefined;
}
