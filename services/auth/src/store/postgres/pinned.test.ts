import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDatabase, type TestDatabase } from "../../../../../test/support/postgres/database.ts";
import { asSuperuser, createRole, type TestRole } from "../../../../../test/support/postgres/roles.ts";
import { queryPinned, typeParsers } from "./pinned.ts";

const names = ["search_path", "transaction_isolation", "datestyle", "synchronous_commit"];
const settings = `select ${names.map((name) => `current_setting('${name}') as ${name}`).join(", ")}`;

let database: TestDatabase;
let role: TestRole;

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  role = await createRole(database.url, "hostile");
  await asSuperuser(
    database.url,
    `alter role ${role.name} set search_path = "$user", public, pg_catalog;
     alter role ${role.name} set default_transaction_isolation = serializable;
     alter role ${role.name} set datestyle = 'german, dmy';
     alter role ${role.name} set synchronous_commit = off;
     create table public.once (x int primary key deferrable initially deferred);
     create table public.times (x timestamptz);
     grant all on public.once, public.times to public`,
  );
});
afterAll(async () => {
  await role?.[Symbol.asyncDispose]();
  await database?.drop();
});

async function connect(): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: role.urlOf(database.url), types: typeParsers });
  client.on("error", () => {});
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

const write = (sql: string, values: readonly unknown[] = []) => ({ sql, values, readsOnly: false });

test("a role's defaults do not affect a statement, and apply again afterwards", async () => {
  await using client = await connect();
  const common = {
    search_path: "pg_catalog, pg_temp",
    transaction_isolation: "read committed",
    datestyle: "ISO, DMY",
  };
  const written = await queryPinned(client, write(settings));
  expect(written).toEqual([{ ...common, synchronous_commit: "on" }]);
  expect(await queryPinned(client, { ...write(settings), readsOnly: true })).toMatchObject([common]);
  const { rows } = await client.query(settings);
  expect(rows).toEqual([
    {
      search_path: '"$user", public, pg_catalog',
      transaction_isolation: "serializable",
      datestyle: "German, DMY",
      synchronous_commit: "off",
    },
  ]);
});

test("a statement does not run if its settings fail", async () => {
  await using client = await connect();
  await client.query("begin");
  await expect(client.query("select 1 / 0")).rejects.toMatchObject({ code: "22012" });
  await expect(queryPinned(client, write("select 1"))).rejects.toMatchObject({ code: "25P02" });
  // The connection still works.
  expect(await queryPinned(client, write("select 1 as one"))).toEqual([{ one: 1 }]);
});

test("a statement that fails only at its commit fails, and changes nothing", async () => {
  await using client = await connect();
  const twice = queryPinned(client, write("insert into public.once values (1), (1)"));
  await expect(twice).rejects.toMatchObject({ code: "23505" });
  expect(await queryPinned(client, write("select count(*) from public.once"))).toEqual([{ count: 0 }]);
});

test("a value that cannot be sent fails its statement, and the connection still works", async () => {
  await using client = await connect();
  const circular: Record<string, unknown> = {};
  circular["itself"] = circular;
  await expect(queryPinned(client, write("select $1::jsonb", [circular]))).rejects.toThrow(/circular/);
  expect(client.getTransactionStatus()).toBe("I");
  expect(await queryPinned(client, write("select 1 as one"))).toEqual([{ one: 1 }]);
});

test("a lost connection fails the statement", async () => {
  await using client = await connect();
  await expect(queryPinned(client, write("select pg_terminate_backend(pg_backend_pid())"))).rejects.toThrow();
});

describe("a result", () => {
  test("has 64-bit integers as exact numbers", async () => {
    await using client = await connect();
    await client.query("set extra_float_digits = -15");
    const [row] = await queryPinned(
      client,
      write("select 9007199254740991 as most, 1796169663248001::bigint as us"),
    );
    expect(row).toEqual({ most: Number.MAX_SAFE_INTEGER, us: 1_796_169_663_248_001 });
  });

  test("has times and bytes as they were sent, in either format", async () => {
    await using client = await connect();
    await client.query("set bytea_output = escape; set timezone = 'America/St_Johns'");
    const [at, bytes] = [new Date("2026-07-08T09:10:11.012Z"), randomBytes(64)];
    const sql = "insert into public.times values ($1) returning x as at, $2::bytea as bytes";
    expect(await queryPinned(client, write(sql, [at, bytes]))).toEqual([{ at, bytes }]);
  });

  test("is empty if there are no rows", async () => {
    await using client = await connect();
    expect(await queryPinned(client, write("delete from public.times where false"))).toEqual([]);
    expect(await queryPinned(client, write(""))).toEqual([]);
  });
});
