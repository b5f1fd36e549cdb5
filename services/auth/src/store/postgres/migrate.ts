import { readdir, readFile } from "node:fs/promises";
import { Client } from "pg";
import { PosternError } from "../../domain/errors.ts";
import { socketOf } from "./database.ts";

const folder = new URL("./migrations/", import.meta.url);
/** A server that has not taken a connection by then will not. */
const connectMs = 5_000;

/** The schema is not the one that this version works with. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => ({
      version: Number(name.slice(0, 4)),
      name,
      sql: await readFile(new URL(name, folder), "utf8"),
    })),
  );
}

interface Connection {
  readonly url: string;
  readonly name: string;
  readonly signal: AbortSignal | undefined;
}

async function withClient<T>(
  { url, name, signal }: Connection,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const client = new Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
  });
  client.on("error", () => {});
  const cut = () => void socketOf(client).destroy();
  signal?.addEventListener("abort", cut, { once: true });
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    // The driver tells of a lost connection by a plain error without a code.
    const isLost = error instanceof Error && error.name === "Error" && !("code" in error);
    throw isLost ? new PosternError("UNAVAILABLE", { cause: error }) : error;
  } finally {
    await client.end();
    signal?.removeEventListener("abort", cut);
  }
}

async function readVersion(client: Client): Promise<number> {
  const table = await client.query<{ known: boolean }>(
    "select to_regclass('postern.migrations') is not null as known",
  );
  if (table.rows[0]?.known !== true) return 0;
  const version = await client.query<{ version: number }>(
    "select coalesce(max(version), 0)::int as version from postern.migrations",
  );
  return version.rows[0]?.version ?? 0;
}

/**
 * Brings the schema `postern` up to date and returns its version. Forward only. Each migration is one
 * transaction together with the note that it was applied, so a killed run goes on where it stopped; an
 * advisory lock that ends with the transaction lets two starting servers take turns, also behind a pooler
 * that works by transaction.
 * @param signal ends the wait for a database that does not answer
 * @throws {PosternError} `UNAVAILABLE` where the connection is lost; what the driver and Postgres throw
 */
export async function migrate(url: string, signal?: AbortSignal): Promise<number> {
  const migrations = await readMigrations();
  return withClient({ url, name: "postern migrate", signal }, async (client) => {
    for (const { version, name, sql } of migrations) {
      await client.query("begin");
      await client.query("select pg_advisory_xact_lock(hashtext('postern.migrations'))");
      if ((await readVersion(client)) < version) {
        await client.query("create schema if not exists postern");
        await client.query(
          "create table if not exists postern.migrations (version int primary key, name text not null, applied_at timestamptz not null default now())",
        );
        await client.query(sql);
        await client.query("insert into postern.migrations (version, name) values ($1, $2)", [version, name]);
      }
      await client.query("commit");
    }
    return await readVersion(client);
  });
}

/**
 * @param signal ends the wait for a database that does not answer
 * @throws {SchemaError} when the schema is older than this version needs
 * @throws {PosternError} as `migrate`
 */
export async function checkSchema(url: string, signal?: AbortSignal): Promise<void> {
  const wanted = (await readMigrations()).at(-1)?.version ?? 0;
  await withClient({ url, name: "postern", signal }, async (client) => {
    const found = await readVersion(client);
    if (found < wanted) {
      throw new SchemaError(
        `the database's schema is at version ${found}, this server needs ${wanted}: run \`postern migrate\``,
      );
    }
  });
}
