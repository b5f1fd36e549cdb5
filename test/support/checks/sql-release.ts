import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { readSchemaFiles, type SchemaFiles } from "../../../services/auth/src/store/postgres/schema-files.ts";

const path = `${import.meta.dirname}/../../../services/auth/src/store/postgres/last-release.json`;

/** SHA-256 of each SQL file of the last release, by the names of its migrations and functions. */
export interface SqlRelease {
  readonly migrations: Readonly<Record<string, string>>;
  readonly functions: Readonly<Record<string, string>>;
}

export function readSqlRelease(): SqlRelease {
  return JSON.parse(readFileSync(path, "utf8"));
}

export function sqlReleaseOf({ migrations, functions }: SchemaFiles): SqlRelease {
  return { migrations: hashesOf(migrations), functions: hashesOf(functions) };
}

function hashesOf(files: readonly { name: string; sql: string }[]): Record<string, string> {
  return Object.fromEntries(
    files.map(({ name, sql }) => [name, createHash("sha256").update(sql).digest("hex")]),
  );
}

/** What would not reach a database of the last release: one message for each migration and function. */
export function faultsSince(release: SqlRelease, files: SchemaFiles): string[] {
  const now = sqlReleaseOf(files);
  const migrations = Object.entries(release.migrations).flatMap(([name, hash]) =>
    now.migrations[name] === hash ? [] : [`${name} is released: undo the change and add a migration`],
  );
  if (Object.keys(now.migrations).some((name) => !(name in release.migrations))) return migrations;
  const names = new Set([...Object.keys(release.functions), ...Object.keys(now.functions)]);
  const functions = [...names]
    .filter((name) => release.functions[name] !== now.functions[name])
    .map((name) => `${name} has changed since the last release: add a migration, which may be empty`);
  return [...migrations, ...functions];
}

// `make sql-release`
if (process.argv.includes("--write")) {
  writeFileSync(path, `${JSON.stringify(sqlReleaseOf(await readSchemaFiles()), null, 2)}\n`);
}
