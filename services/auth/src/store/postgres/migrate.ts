import { readdir, readFile } from "node:fs/promises";
import type { Client } from "pg";
import { isSqlError } from "./connection-faults.ts";
import { type OnWait, watchLocks } from "./lock-watch.ts";
import { beginMigration } from "./pinned.ts";
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

/** Runs a statement within the transaction that has begun. */
type Query = <Row extends Record<string, unknown>>(sql: string) => Promise<Row[]>;

/** @returns undefined where the table of versions is missing */
async function findVersion(query: Query): Promise<number | undefined> {
  const [table] = await query<{ sound: boolean }>(
    `select c.relkind = 'r' and c.relowner = n.nspowner as sound
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'postern' and c.relname = 'migrations'`,
  );
  if (table === undefined) return undefined;
  // Reading a view would run its owner's code as our role.
  if (!table.sound)
    throw new SchemaError("`postern.migrations` is not a table of the schema's owner: see docs/postgres.md");
  const [row] = await query<{ version: number }>(
    "select coalesce(max(version), 0)::int as version from postern.migrations",
  );
  return row?.version;
}

/**
 * Lets migrators take turns until the end of the transaction, and makes what the first one finds missing. No other role
 * can hold up this one: it waits for a table that is Postern's, or for a name in a schema that is.
 * @returns the version that the schema has by then
 */
async function takeTurn(query: Query): Promise<number> {
  await demandOwnSchema(query);
  if ((await findVersion(query)) === undefined) await makeVersions(query);
  else await query("lock table postern.migrations in share row exclusive mode");
  return (await findVersion(query)) ?? 0;
}

/** @returns whether the schema exists @throws {SchemaError} another role owns it, and could replace what is in it */
async function demandOwnSchema(query: Query): Promise<boolean> {
  const [schema] = await query<{ ours: boolean }>(
    "select pg_has_role(nspowner, 'usage') as ours from pg_namespace where nspname = 'postern'",
  );
  if (schema?.ours === false)
    throw new SchemaError("the schema `postern` belongs to another role: run `postern migrate` as its owner");
  return schema !== undefined;
}

async function makeVersions(query: Query): Promise<void> {
  try {
    // Where the schema is there, its owner may lack the right to make one.
    if (!(await demandOwnSchema(query))) await query("create schema postern");
    await query(
      "create table postern.migrations (version int primary key, name text not null, applied_at timestamptz not null default now())",
    );
  } catch (error) {
    if (isSqlError(error) && /^(42P06|42P07|23505)$/.test(error.code)) throw new OvertakenError();
    throw error;
  }
}

interface Session {
  readonly client: Client;
  readonly connection: Connection;
  readonly onWait: OnWait | undefined;
}

/** Runs `work` in one transaction, and reports for whose locks it waits. */
async function inTransaction<T>(
  { client, connection, onWait }: Session,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const query: Query = async <Row>(sql: string) => (await client.query(sql)).rows as Row[];
  await beginMigration(client);
  try {
    const [process] = await query<{ pid: number }>("select pg_backend_pid() as pid");
    await using _ = onWait && watchLocks(connection, process?.pid ?? 0, onWait);
    const result = await work(query);
    await client.query("commit");
    return result;
  } catch (error) {
    // Fails, too, where the connection is lost.
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/** Applies the migration unless it has been, in one transaction together with the note that it was. */
async function apply(session: Session, { version, name, sql }: Migration): Promise<void> {
  await inTransaction(session, async (query) => {
    if ((await takeTurn(query)) >= version) return;
    await query(sql);
    await query(`insert into postern.migrations (version, name) values (${version}, '${name}')`);
  }).catch((error: unknown) => {
    if (error instanceof OvertakenError) return apply(session, { version, name, sql });
    throw error;
  });
}

export interface SchemaOptions {
  /** Ends the wait for a database that does not answer. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the holders of the locks that the migration waits for. */
  readonly onWait?: OnWait | undefined;
}

/**
 * Brings the schema `postern` up to date and returns its version. Forward only. A killed run goes on where it stopped;
 * servers that start together take turns, also behind a pooler that works by transaction.
 * @throws {PosternError} `UNAVAILABLE` where the connection is lost; what the driver and Postgres throw
 * @throws {SchemaError} where another role owns the schema
 */
export async function migrate(url: string, { signal, onWait }: SchemaOptions = {}): Promise<number> {
  const migrations = await readMigrations();
  const connection: Connection = { url, name: "postern migrate", signal };
  return withConnection(connection, async (client) => {
    const session: Session = { client, connection, onWait };
    const found = (await inTransaction(session, findVersion)) ?? 0;
    const pending = migrations.filter(({ version }) => version > found);
    for (const migration of pending) await apply(session, migration);
    return pending.length === 0 ? found : ((await inTransaction(session, findVersion)) ?? 0);
  });
}

/**
 * @throws {SchemaError} when the schema is older than this version needs
 * @throws {PosternError} as `migrate`
 */
export async function checkSchema(url: string, { signal, onWait }: SchemaOptions = {}): Promise<void> {
  const wanted = (await readMigrations()).at(-1)?.version ?? 0;
  const connection: Connection = { url, name: "postern", signal };
  await withConnection(connection, async (client) => {
    const found = (await inTransaction({ client, connection, onWait }, findVersion)) ?? 0;
    if (found < wanted) {
      throw new SchemaError(
        `the database's schema is at version ${found}, this server needs ${wanted}: run \`postern migrate\``,
      );
    }
  });
}
