import { readdir, readFile } from "node:fs/promises";

/** A numbered change of the schema. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** An SQL function with what belongs to it: its grants and triggers. */
export interface SchemaFunction {
  readonly name: string;
  /** Can run again: `create or replace`. */
  readonly sql: string;
}

/** All that makes the schema. */
export interface SchemaFiles {
  /** In the order of their versions. */
  readonly migrations: readonly Migration[];
  readonly functions: readonly SchemaFunction[];
}

/** Reads the files of this version. */
export async function readSchemaFiles(): Promise<SchemaFiles> {
  const [migrations, functions] = await Promise.all([
    readFolder("migrations", /^\d{4}_\w+\.sql$/),
    readFolder("functions", /^\w+\.sql$/),
  ]);
  return {
    migrations: migrations.map(({ file, sql }) => ({ version: Number(file.slice(0, 4)), name: file, sql })),
    functions: functions.map(({ file, sql }) => ({ name: file.slice(0, -".sql".length), sql })),
  };
}

async function readFolder(name: string, pattern: RegExp): Promise<{ file: string; sql: string }[]> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const files = (await readdir(folder)).filter((file) => pattern.test(file)).sort();
  return Promise.all(
    files.map(async (file) => ({ file, sql: await readFile(new URL(file, folder), "utf8") })),
  );
}
