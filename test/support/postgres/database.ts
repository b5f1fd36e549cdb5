import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { inject } from "vitest";
import { migrate } from "../../../services/auth/src/store/postgres/migrate.ts";

const TEMPLATE = "postern_template";
const OWNER = "postern_template_owner";

/** A database of the run's shared Postgres. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** Drops it, with its open sessions. */
  drop(): Promise<void>;
}

export interface DatabaseOptions {
  /** `false`: an empty database, for tests of the migrations themselves. */
  readonly migrated?: boolean;
}

/** Makes a database that no other test has; migrated, it is a copy of a template made once a run. */
export async function createDatabase(options: DatabaseOptions = {}): Promise<TestDatabase> {
  const admin = inject("postgresUrl");
  const name = `test_${randomBytes(8).toString("hex")}`;
  const migrated = options.migrated ?? true;
  await withClient(admin, async (client) => {
    if (migrated) await ensureTemplate(client, admin);
    const from = migrated ? `${TEMPLATE} owner ${OWNER}` : "template0";
    await client.query(`create database ${name} template ${from}`);
  });
  async function drop(): Promise<void> {
    await withClient(admin, (client) => client.query(`drop database if exists ${name} with (force)`));
  }
  return { name, url: databaseUrl(admin, name), drop, [Symbol.asyncDispose]: drop };
}

/** Runs `use` on a new connection. */
export async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function ensureTemplate(client: Client, admin: string): Promise<void> {
  // Workers start together: one migrates, the others wait here and find it done.
  await client.query("select pg_advisory_lock(hashtext($1))", [TEMPLATE]);
  try {
    const found = await client.query("select datistemplate from pg_database where datname = $1", [TEMPLATE]);
    if (found.rows[0]?.datistemplate) return;
    await client.query(`drop database if exists ${TEMPLATE} with (force)`);
    await migrate(await makeTemplate(client, admin));
    // Marked last, so that a half-migrated one is never copied; a connection to it would block copies.
    await client.query(`alter database ${TEMPLATE} with is_template true allow_connections false`);
  } finally {
    await client.query("select pg_advisory_unlock(hashtext($1))", [TEMPLATE]);
  }
}

/**
 * As most operators have it: the database and the schema belong to a role that may do nothing else.
 * @returns the owner's URL
 */
async function makeTemplate(client: Client, admin: string): Promise<string> {
  const password = randomBytes(16).toString("hex");
  await client.query(`drop role if exists ${OWNER}`);
  await client.query(`create role ${OWNER} login nosuperuser password '${password}'`);
  await client.query(`create database ${TEMPLATE} owner ${OWNER}`);
  return Object.assign(new URL(databaseUrl(admin, TEMPLATE)), { username: OWNER, password }).href;
}

function databaseUrl(admin: string, name: string): string {
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return url.href;
}
