import type { Client } from "pg";
import { isSqlError } from "./connection-faults.ts";
import { type OnWait, watchLocks } from "./lock-watch.ts";
import { beginMigration } from "./pinned.ts";
import { SchemaError, UnknownSchemaError } from "./schema-error.ts";
import { type Migration, readSchemaFiles, type SchemaFiles, type SchemaFunction } from "./schema-files.ts";
import { demandTrustedOwners, type Query } from "./schema-owners.ts";
import { type Connection, withConnection } from "./single-connection.ts";

/** Another migrator has created the schema, or its first table, since this one looked for it. */
class OvertakenError extends Error {}

/**
 * @returns undefined if the table of versions is missing
 * @throws {UnknownSchemaError} the database has another migration than `migrations` under the same number
 */
async function findVersion(query: Query, migrations: readonly Migration[]): Promise<number | undefined> {
  const [found] = await query<{ exists: boolean }>(
    "select to_regclass('postern.migrations') is not null as exists",
  );
  if (!found?.exists) return undefined;
  const rows = await query<{ version: number; name: string }>(
    "select version, name from postern.migrations order by version",
  );
  const own = new Map(migrations.map(({ version, name }) => [version, name]));
  const unknown = rows.find(({ version, name }) => (own.get(version) ?? name) !== name);
  if (unknown !== undefined) {
    const [theirs, ours] = [unknown.name, own.get(unknown.version)].map((name) => JSON.stringify(name));
    throw new UnknownSchemaError(
      `the database was made by an unreleased version of Postern (its migration ${unknown.version} is ${theirs}, here it is ${ours}): create a new database`,
    );
  }
  return rows.at(-1)?.version ?? 0;
}

/**
 * Lets one migrator work at a time, until the end of the transaction. Creates the table of versions if it is missing. No
 * other role can delay this: it waits only for Postern's own table, or for a name in Postern's own schema.
 * @returns the version that the schema then has
 */
async function takeTurn(query: Query, migrations: readonly Migration[]): Promise<number> {
  await demandTrustedOwners(query, "owner");
  if ((await findVersion(query, migrations)) === undefined) await makeVersions(query);
  else await query("lock table postern.migrations in share row exclusive mode");
  return (await findVersion(query, migrations)) ?? 0;
}

async function makeVersions(query: Query): Promise<void> {
  try {
    const [schema] = await query("select from pg_namespace where nspname = 'postern'");
    // If the schema exists, its owner may lack the right to create one.
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
    // Also fails if the connection is lost.
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/**
 * Applies the migration unless it was applied before, in one transaction together with the record of it. The newest
 * migration brings the functions, in the same transaction: a schema of its version always has the functions of its version.
 */
async function apply(session: Session, migration: Migration, files: SchemaFiles): Promise<void> {
  const { version, name, sql } = migration;
  await inTransaction(session, async (query) => {
    if ((await takeTurn(query, files.migrations)) >= version) return;
    await query(sql);
    if (migration === files.migrations.at(-1)) await applyFunctions(query, files.functions);
    await query(`insert into postern.migrations (version, name) values (${version}, '${name}')`);
  }).catch((error: unknown) => {
    if (error instanceof OvertakenError) return apply(session, migration, files);
    throw error;
  });
}

/** Replaces all functions. Bodies are not checked until they run, so the order of the functions does not matter. */
async function applyFunctions(query: Query, functions: readonly SchemaFunction[]): Promise<void> {
  await query("set local check_function_bodies = off");
  for (const { sql } of functions) await query(sql);
}

export interface SchemaOptions {
  /** Ends the wait for a database that does not answer. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the holders of the locks that the migration waits for. */
  readonly onWait?: OnWait | undefined;
  /** By default, those of this version. */
  readonly files?: SchemaFiles | undefined;
}

/**
 * Brings the schema `postern` up to date and returns its version. Forward only. After a killed run, the next run continues
 * with the migration that was interrupted. Servers that start together take turns, also behind a pooler in transaction mode.
 *
 * The functions are replaced only in a run that applies a migration. Otherwise an old replica that restarts would put its
 * older functions over the newer ones.
 * @throws {AuthError} `UNAVAILABLE` if the connection is lost; the errors of the driver and of Postgres
 * @throws {SchemaOwnerError} another role owns the schema, or an object in it
 * @throws {UnknownSchemaError} an unreleased version made the schema
 */
export async function migrate(url: string, options: SchemaOptions = {}): Promise<number> {
  const { signal, onWait, files = await readSchemaFiles() } = options;
  const connection: Connection = { url, name: "postern migrate", signal };
  return withConnection(connection, async (client) => {
    const session: Session = { client, connection, onWait };
    const findOwnVersion = async (query: Query) => {
      await demandTrustedOwners(query, "owner");
      return (await findVersion(query, files.migrations)) ?? 0;
    };
    const found = await inTransaction(session, findOwnVersion);
    const pending = files.migrations.filter(({ version }) => version > found);
    for (const migration of pending) await apply(session, migration, files);
    return pending.length === 0 ? found : await inTransaction(session, findOwnVersion);
  });
}

/**
 * @throws {SchemaError} the schema is older than this version needs
 * @throws {SchemaOwnerError} another role may have made the schema
 * @throws {UnknownSchemaError} {AuthError} as `migrate`
 */
export async function checkSchema(url: string, options: SchemaOptions = {}): Promise<void> {
  const { signal, onWait, files = await readSchemaFiles() } = options;
  const needed = files.migrations.at(-1)?.version ?? 0;
  const connection: Connection = { url, name: "postern", signal };
  await withConnection(connection, async (client) => {
    const found = await inTransaction({ client, connection, onWait }, async (query) => {
      await demandTrustedOwners(query, "another");
      return (await findVersion(query, files.migrations)) ?? 0;
    });
    if (found < needed) {
      throw new SchemaError(
        `the database's schema is at version ${found}, this server needs ${needed}: run \`postern migrate\``,
      );
    }
  });
}
