import type { Pool } from "pg";
import { withClient } from "./database.ts";

/** A connection, or where to make one. */
type Target = string | Pick<Pool, "query">;

/**
 * Moves a database's time: `postern.now()` runs `offsetMs` ahead of (negative: behind) the real clock
 * from now on, in every session, those already open too.
 */
export async function setClock(target: Target, offsetMs: number): Promise<void> {
  await run(target, definition(offsetMs));
}

/** Moves a database's time by the given milliseconds. */
export async function advanceClock(target: Target, byMs: number): Promise<void> {
  const rows = await run(target, "select prosrc from pg_proc where oid = 'postern.now()'::regprocedure");
  const offset = /interval '(-?\d+) milliseconds'/.exec(rows[0]?.["prosrc"] ?? "")?.[1] ?? "0";
  await setClock(target, Number(offset) + byMs);
}

function definition(offsetMs: number): string {
  if (!Number.isSafeInteger(offsetMs)) throw new RangeError("a clock moves by whole milliseconds");
  return `create or replace function postern.now() returns timestamptz language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$ begin return clock_timestamp() + interval '${offsetMs} milliseconds'; end $$`;
}

async function run(target: Target, sql: string): Promise<Record<string, string>[]> {
  if (typeof target !== "string") return (await target.query(sql)).rows;
  return withClient(target, async (client) => (await client.query(sql)).rows);
}
