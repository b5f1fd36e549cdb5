import { randomBytes } from "node:crypto";
import { Client } from "pg";

/** A role of the database server that may log in and is no superuser. */
export interface TestRole extends AsyncDisposable {
  readonly name: string;
  /** The URL of a database, for this role. */
  urlOf(databaseUrl: string): string;
}

/**
 * Makes a role. Disposal takes away what it owns and holds in the database of `databaseUrl`, and then the role: dispose
 * of it before the database is dropped.
 * @param databaseUrl a superuser's URL
 */
export async function createRole(databaseUrl: string, prefix: string): Promise<TestRole> {
  const name = `${prefix}_${randomBytes(6).toString("hex")}`;
  const password = randomBytes(12).toString("hex");
  await asSuperuser(databaseUrl, `create role ${name} login nosuperuser password '${password}'`);
  return {
    name,
    urlOf: (url) => Object.assign(new URL(url), { username: name, password }).href,
    [Symbol.asyncDispose]: () => asSuperuser(databaseUrl, `drop owned by ${name} cascade; drop role ${name}`),
  };
}

/** Runs statements on a connection that no default of the database can lead astray. */
export async function asSuperuser(databaseUrl: string, sql: string): Promise<void> {
  await rowsAsSuperuser(databaseUrl, sql);
}

export async function rowsAsSuperuser(
  databaseUrl: string,
  sql: string,
  values?: readonly unknown[],
): Promise<Record<string, unknown>[]> {
  const client = new Client({
    connectionString: databaseUrl,
    options: "-c search_path=pg_catalog -c datestyle=iso -c default_transaction_isolation=read\\ committed",
  });
  await client.connect();
  try {
    return (await client.query(sql, values === undefined ? undefined : [...values])).rows;
  } finally {
    await client.end();
  }
}
