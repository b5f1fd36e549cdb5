import { readdir, readFile } from "node:fs/promises";
import type { Client } from "pg";
import { isSqlError } from "./connection-faults.ts";
import { type OnWait, watchLocks } from "./lock-watch.ts";
import { beginMigration } from "./pinned.ts";
import { demandTrustedOwners, type Query } from "./schema-owners.ts";
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

/** @returns undefined where the table of versions is missing */
async function findVersion(query: Query): Promise<number | undefined> {
  const [found] = await query<{ exists: boolean }>(
    "select to_regclass('postern.migrations') is not null as exists",
  );
  if (!found?.exists) return undefined;
  const [row] = await query<{ version: number }>(
    "select coalesce(max(version), 0)::int as version from postern.migrations",
  );
  return row?.version;
}

/**
 * Lets migrators take turns until the end of the transaction, and makes what the first one finds missing. No other role
 * can delay this one: it waits for a table that is Postern's, or for a name in a schema that is.
 * @returns the version that the schema has by then
 */
async function takeTurn(query: Query): Promise<number> {
  await demandTrustedOwners(query, "owner");
  if ((await findVersion(query)) === undefined) await makeVersions(query);
  else await query("lock table postern.migrations in share row exclusive mode");
  return (await findVersion(query)) ?? 0;
}

async function makeVersions(query: Query): Promise<void> {
  try {
    const [schema] = await query("select from pg_namespace where nspname = 'postern'");
    // Where the schema exists, its owner may lack the right to create one.
    if (schema === undefined) await query("create schema postern");
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
 * @throws {SchemaOwnerError} another role owns the schema, or an object in it
 */
export async function migrate(url: string, { signal, onWait }: SchemaOptions = {}): Promise<number> {
  const migrations = await readMigrations();
  const connection: Connection = { url, name: "postern migrate", signal };
  return withConnection(connection, async (client) => {
    const session: Session = { client, connection, onWait };
    const findOwnVersion = async (query: Query) => {
      await demandTrustedOwners(query, "owner");
      return (await findVersion(query)) ?? 0;
    };
    const found = await inTransaction(session, findOwnVersion);
    const pending = migrations.filter(({ version }) => version > found);
    for (const migration of pending) await apply(session, migration);
    return pending.length === 0 ? found : await inTransaction(session, findOwnVersion);
  });
}

/**
 * @throws {SchemaError} the schema is older than this version needs
 * @throws {SchemaOwnerError} another role may have made the schema
 * @throws {PosternError} as `migrate`
 */
export async function checkSchema(url: string, { signal, onWait }: SchemaOptions = {}): Promise<void> {
  const wanted = (await readMigrations()).at(-1)?.version ?? 0;
  const connection: Connection = { url, name: "postern", signal };
  await withConnection(connection, async (client) => {
    const found = await inTransaction({ client, connection, onWait }, async (query) => {
      await demandTrustedOwners(query, "another");
      return (await findVersion(query)) ?? 0;
    });
    if (found < wanted) {
      throw new SchemaError(
        `the database's schema is at version ${found}, this server needs ${wanted}: run \`postern migrate\``,
      );
    }
  });
}
