import { readdir, readFile } from "node:fs/promises";
import { Client } from "pg";

const folder = new URL("./migrations/", import.meta.url);

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
 */
export async function migrate(url: string): Promise<number> {
  const migrations = await readMigrations();
  const client = new Client({ connectionString: url, application_name: "postern migrate" });
  client.on("error", () => {});
  await client.connect();
  try {
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
  } finally {
    await client.end();
  }
}

/** @throws {SchemaError} when the schema is older than this version needs */
export async function checkSchema(url: string): Promise<void> {
  const wanted = (await readMigrations()).at(-1)?.version ?? 0;
  const client = new Client({ connectionString: url, application_name: "postern" });
  client.on("error", () => {});
  await client.connect();
  try {
    const found = await readVersion(client);
    if (found < wanted) {
      throw new SchemaError(
        `the database's schema is at version ${found}, this server needs ${wanted}: run \`postern migrate\``,
      );
    }
  } finally {
    await client.end();
  }
}
