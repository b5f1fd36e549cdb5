/**
 * What cleaning costs concurrent refreshes: a million expired sessions and a million forgotten entries, on a Postgres
 * that syncs, cleaned by a server that answers refreshes at a fixed rate all the while. Takes some four minutes:
 * `node test/bench/cleaning.ts [rows] [refreshes a second]`.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Pool } from "pg";
import { migrate } from "../../services/auth/src/store/postgres/migrate.ts";
import { createClients, reasonOf } from "../support/clients/clients.ts";
import { describeSpread, spreadOf } from "../support/load/open-loop.ts";
import { createUser } from "../support/people/people.ts";
import { openSessionSource } from "../support/people/session-source.ts";
import { fillNeedlessRows } from "../support/postgres/needless-rows.ts";
import { startPostgres } from "../support/postgres/postgres.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { startServer, TOKENS } from "../support/servers/server-process.ts";

const [rows = 1_000_000, perSecond = 100] = process.argv.slice(2).map(Number);
const lookEveryMs = 200;
const afterMs = 20_000;
/** A server begins within 72 seconds of its start. */
const timeoutMs = 15 * 60_000;

type Phase = "before" | "during" | "after";

interface Sample {
  readonly phase: Phase;
  readonly outcome: string;
  /** From when the call was due. */
  readonly ms: number;
}

interface TableState {
  readonly relname: string;
  readonly dead: number;
  readonly mb: number;
  readonly vacuums: number;
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

await using postgres = await startPostgres({ durable: true });
await migrate(postgres.url);
const pool = new Pool({ connectionString: postgres.url, max: 1 });
await using _pool = { [Symbol.asyncDispose]: () => pool.end() };
const query = async (sql: string, values: readonly unknown[] = []) =>
  (await pool.query(sql, [...values])).rows;
await fillNeedlessRows(query, { sessions: rows, entries: rows, addresses: 0 });
await query("vacuum analyze");
await query("checkpoint");

const masterKey = randomBytes(32).toString("base64");
const env = { POSTERN_MASTER_KEY: masterKey, POSTERN_REFRESH_GRACE: "0s" };
await using server = await startServer({ databaseUrl: postgres.url, env });
using admin = createClients({ baseUrl: server.http, credential: TOKENS.admin });
const { id: userId } = await createUser(admin.admin);
await using source = await openSessionSource({ databaseUrl: postgres.url, masterKey });
const resting: string[] = [];
for (let i = 0; i < 200; i++) resting.push((await source.open(userId)).refreshToken);

// One connection, never idle: of several, the server may close one that rests while a call is on its way to it.
using web = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.web });
let phase: Phase = "before";
const samples: Sample[] = [];

async function refresh(dueMs: number): Promise<void> {
  const begun = phase;
  const outcome = await rotated();
  samples.push({ phase: begun, outcome, ms: performance.now() - dueMs });
}

async function rotated(): Promise<string> {
  const refreshToken = resting.shift();
  if (refreshToken === undefined) return "every session is being refreshed";
  try {
    const { tokens } = await web.auth.refresh({ refreshToken }, { timeoutMs: 9_000 });
    resting.push(tokens?.refreshToken ?? "");
    return "granted";
  } catch (error) {
    return reasonOf(error);
  }
}

const stopping = new AbortController();
const load = (async () => {
  const calls: Promise<void>[] = [];
  for (let dueMs = performance.now(); !stopping.signal.aborted; dueMs += 1_000 / perSecond) {
    const leftMs = dueMs - performance.now();
    if (leftMs > 0) await delay(leftMs);
    calls.push(refresh(dueMs));
  }
  await Promise.all(calls);
})();

async function cleaned(): Promise<number> {
  const metrics = await readMetrics(server.ops);
  return ["sessions", "revocations"]
    .map((kind) => metrics.get(`postern_cleaned_rows_total{kind="${kind}"}`) ?? 0)
    .reduce((sum, count) => sum + count);
}

async function until(enough: number): Promise<number> {
  const giveUpMs = performance.now() + timeoutMs;
  while ((await cleaned()) < enough) {
    if (performance.now() > giveUpMs) throw new Error(`no ${enough} rows were cleaned in time`);
    await delay(lookEveryMs);
  }
  return performance.now();
}

async function tables(): Promise<TableState[]> {
  return (await query(
    `select relname, n_dead_tup::int as dead, autovacuum_count::int as vacuums,
       pg_total_relation_size(relid)::int / 1048576 as mb
     from pg_stat_user_tables where relname in ('sessions', 'revocations') order by relname`,
  )) as TableState[];
}

function tellTables(when: string, states: readonly TableState[]): void {
  for (const { relname, dead, mb, vacuums } of states) {
    tell(`${when}: ${relname} has ${dead} dead rows, ${mb} MB with its indexes; ${vacuums} autovacuums`);
  }
}

tell(`${rows} expired sessions, ${rows} forgotten entries, ${perSecond} refreshes a second`);
tellTables("before", await tables());
const beganMs = await until(1);
phase = "during";
const endedMs = await until(2 * rows);
phase = "after";
tellTables("at its end", await tables());
await delay(afterMs);
stopping.abort();
await load;
tellTables("at last", await tables());

const tookMs = endedMs - beganMs;
tell(
  `cleaned in ${(tookMs / 1_000).toFixed(1)} s: ${Math.round((2 * rows) / (tookMs / 1_000))} rows a second`,
);
for (const one of ["before", "during", "after"] as const) {
  const of = samples.filter((sample) => sample.phase === one);
  const failed = of.filter(({ outcome }) => outcome !== "granted");
  const outcomes = [...new Set(failed.map(({ outcome }) => outcome))].join(", ");
  tell(
    `refreshes ${one}: ${of.length}, ${describeSpread(spreadOf(of.map(({ ms }) => ms)))}, ` +
      `${failed.length} failed${outcomes && ` (${outcomes})`}`,
  );
}
const [left] = await query(
  `select (select count(*)::int from postern.sessions) as sessions,
     (select count(*)::int from postern.revocations) as entries`,
);
tell(`left: ${left.sessions} sessions, ${left.entries} entries`);
if (samples.some(({ outcome }) => outcome !== "granted")) process.exitCode = 1;
