import { expect, test } from "vitest";
import { readSchemaFiles, type SchemaFiles } from "../services/auth/src/store/postgres/schema-files.ts";
import { faultsSince, readSqlRelease, sqlReleaseOf } from "./support/checks/sql-release.ts";

test("every change of the SQL since the last release reaches a database of that release", async () => {
  expect(faultsSince(readSqlRelease(), await readSchemaFiles())).toEqual([]);
});

const released: SchemaFiles = {
  migrations: [{ version: 1, name: "0001_tables.sql", sql: "create table a ();" }],
  functions: [
    { name: "first", sql: "select 1" },
    { name: "second", sql: "select 2" },
  ],
};
const another = { version: 2, name: "0002_later.sql", sql: "" };
const [table] = released.migrations;
const [first, second] = released.functions;

test.each([
  ["nothing has changed", released, []],
  [
    "a function has another text",
    { ...released, functions: [first, { ...second, sql: "3" }] },
    ["second has changed"],
  ],
  [
    "a function is new",
    { ...released, functions: [first, second, { name: "third", sql: "" }] },
    ["third has changed"],
  ],
  ["a function is gone", { ...released, functions: [first] }, ["second has changed"]],
  ["functions have changed, with a new migration", { migrations: [table, another], functions: [] }, []],
  [
    "a released migration has changed",
    { ...released, migrations: [{ ...table, sql: "" }] },
    ["0001_tables.sql is released"],
  ],
  [
    "a released migration has another name",
    { ...released, migrations: [{ ...another, version: 1 }] },
    ["0001_tables.sql is released"],
  ],
])("%s: it is found", (_, files, faults) => {
  const found = faultsSince(sqlReleaseOf(released), files as SchemaFiles);
  expect(found).toEqual(faults.map((fault) => expect.stringContaining(fault)));
});

test("before the first release everything may change", () => {
  expect(faultsSince({ migrations: {}, functions: {} }, released)).toEqual([]);
});
