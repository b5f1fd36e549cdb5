import { readdir, readFile } from "node:fs/promises";
import type { Client } from "pg";
import { isSqlError } from "./database.ts";
import { type OnWait, watchLocks } from "./lock-watch.ts";
import { beginMigration, queryPinned } from "./pinned.ts";
import { type Connection, withConnection } from "./single-connection.ts";

const folder = new URL("./migrations/", import.meta.url);

/** The schema is not the one that this version works with. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/** Another migrator has just made the schema, or its first table, that this one was about to make. */
class OvertakenError extends Error {}

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

type Query = <Row extends Record<string, unknown>>(sql: string) => Promise<Row[]>;

/** @returns undefined where no migration has ever run */
async function findVersion(query: Query): Promise<number | undefined> {
  const [table] = await query<{ known: boolean }>(
    "select to_regclass('postern.migrations') is not null as known",
  );
  if (table?.known !== true) return undefined;
  const [row] = await query<{ version: number }>(
    "select coalesce(max(version), 0)::int as version from postern.migrations",
  );
  return row?.version;
}

/** Each statement by itself. */
function pinned(client: Client): Query {
  return (sql) => queryPinned(client, { sql, values: [], readsOnly: true });
}

/** Within a transaction that has begun. */
function inside(client: Client): Query {
  return async <Row>(sql: string) => (await client.query(sql)).rows as Row[];
}

/**
 * Lets migrators take turns until the end of the transaction, and makes what the first one finds missing. No other role
 * can hold up this one: it waits for a table that is Postern's, or for a name in a schema that is.
 * @returns the version that the schema has by then
 */
async function takeTurn(client: Client): Promise<number> {
  const query = inside(client);
  if ((await findVersion(query)) === undefined) await makeVersions(query);
  else await query("lock table postern.migrations in share row exclusive mode");
  return (await findVersion(query)) ?? 0;
}

async function makeVersions(query: Query): Promise<void> {
  const [schema] = await query<{ ours: boolean }>(
    "select pg_has_role(nspowner, 'usage') as ours from pg_namespace where nspname = 'postern'",
  );
  // Its owner could replace whatever is made in it.
  if (schema?.ours === false)
    throw new SchemaError("the schema `postern` belongs to another role: run `postern migrate` as its owner");
  try {
    // Where the schema is there, its owner may lack the right to make one.
    if (schema === undefined) await query("create schema postern");
    await query(
      "create table postern.migrations (version int primary key, name text not null, applied_at timestamptz not null default now())",
    );
  } catch (error) {
    if (isSqlError(error) && /^(42P06|42P07|23505)$/.test(error.code)) throw new OvertakenError();
    throw error;
  }
}

/** Applies the migration unless it has been, in one transaction together with the note that it was. */
async function apply(client: Client, { version, name, sql }: Migration): Promise<void> {
  if ((await takeTurn(client)) >= version) return;
  await client.query(sql);
  await client.query("insert into postern.migrations (version, name) values ($1, $2)", [version, name]);
}

/** @returns false where another migrator was quicker: to be tried again */
async function inTransaction(client: Client, watch: Watch, work: () => Promise<void>): Promise<boolean> {
  await beginMigration(client);
  try {
    await using _ = await watch();
    await work();
    await client.query("commit");
    return true;
  } catch (error) {
    // Fails, too, where the connection is lost.
    await client.query("rollback").catch(() => {});
    if (error instanceof OvertakenError) return false;
    throw error;
  }
}

type Watch = () => Promise<AsyncDisposable | undefined>;

export interface MigrateOptions {
  /** Ends the wait for a database that does not answer. */
  readonly signal?: AbortSignal | undefined;
  /** Told for whose locks it waits, while it does. */
  readonly onWait?: OnWait | undefined;
}

/**
 * Brings the schema `postern` up to date and returns its version. Forward only. A killed run goes on where it stopped;
 * servers that start together take turns, also behind a pooler that works by transaction.
 * @throws {PosternError} `UNAVAILABLE` where the connection is lost; what the driver and Postgres throw
 * @throws {SchemaError} where another role owns the schema
 */
export async function migrate(url: string, { signal, onWait }: MigrateOptions = {}): Promise<number> {
  const migrations = await readMigrations();
  const connection: Connection = { url, name: "postern migrate", signal };
  return withConnection(connection, async (client) => {
    const watch: Watch = async () => {
      if (onWait === undefined) return undefined;
      const [row] = await inside(client)<{ pid: number }>("select pg_backend_pid() as pid");
      return watchLocks(connection, row?.pid ?? 0, onWait);
    };
    const found = (await findVersion(pinned(client))) ?? 0;
    for (const migration of migrations.filter(({ version }) => version > found)) {
      while (!(await inTransaction(client, watch, () => apply(client, migration))));
    }
    return (await findVersion(pinned(client))) ?? 0;
  });
}

/**
 * @param signal ends the wait for a database that does not answer
 * @throws {SchemaError} when the schema is older than this version needs
 * @throws {PosternError} as `migrate`
 */
export async function checkSchema(url: string, signal?: AbortSignal): Promise<void> {
  const wanted = (await readMigrations()).at(-1)?.version ?? 0;
  await withConnection({ url, name: "postern", signal }, async (client) => {
    const found = (await findVersion(pinned(client))) ?? 0;
    if (found < wanted) {
      throw new SchemaError(
        `the database's schema is at version ${found}, this server needs ${wanted}: run \`postern migrate\``,
      );
    }
  });
}
