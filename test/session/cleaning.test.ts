import { setTimeout as wait } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CleanDeps, clean } from "../../services/auth/src/domain/cleaning/clean.ts";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import { answered, refusal } from "../support/clients/answers.ts";
import { poll } from "../support/poll.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { fillNeedlessRows } from "../support/postgres/needless-rows.ts";
import {
  allWell,
  openSession,
  openSite,
  outcomesOfWell,
  type Site,
} from "../support/postgres/postgres-site.ts";
import { suitePolicy } from "../support/postgres/session-bench.ts";
import { openStores } from "../support/postgres/stores.ts";
import { readMetrics } from "../support/servers/metrics.ts";

const many = { sessions: 6_000, entries: 6_000, addresses: 2_500 };
const pastTheGrace = 31_000;

let database: TestDatabase;
let site: Site;

function rows(sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
  return withClient(database.url, async (client) => (await client.query(sql, [...values])).rows);
}

const counts = () =>
  rows(`select (select count(*)::int from postern.sessions where user_agent like 'Mozilla%') as sessions,
    (select count(*)::int from postern.revocations) as entries,
    (select count(*)::int from postern.user_addresses where address like '198.51.100.%') as addresses`);

/** A replica's cleaning, on its own connections. */
async function cleanAsReplica(): Promise<Record<string, number>> {
  await using stores = openStores(database.url, suitePolicy);
  const cleaned: Record<string, number> = {};
  const deps: CleanDeps = {
    cleaner: stores.cleaner,
    monotonicMs: () => performance.now(),
    pause: (ms, signal) => wait(ms, undefined, { signal }),
    onCleaned(kind, count) {
      cleaned[kind] = (cleaned[kind] ?? 0) + count;
    },
  };
  await clean(deps, new AbortController().signal);
  return cleaned;
}

/** What the server itself has cleaned so far. */
async function cleanedByServer(): Promise<Record<string, number>> {
  const metrics = await readMetrics(site.server.ops);
  const found = [...metrics].map(([name, count]) => {
    const [, kind] = /^postern_cleaned_rows_total\{kind="(\w+)"\}$/.exec(name) ?? [];
    return kind === undefined ? [] : [[kind, count] as const];
  });
  return Object.fromEntries(found.flat());
}

beforeAll(async () => {
  database = await createDatabase();
  await withClient(database.url, (client) =>
    fillNeedlessRows((sql, values) => client.query(sql, [...(values ?? [])]), many),
  );
  site = await openSite(database.url, {
    POSTERN_ACCESS_TTL: "1h",
    POSTERN_SESSION_IDLE_TTL: "30d",
  });
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
  await database?.drop();
});

describe("a batch under way", { timeout: 60_000 }, () => {
  /** A transaction that has made a batch and does not end. */
  async function begun(): Promise<{ client: Client } & AsyncDisposable> {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query("begin");
    return { client, [Symbol.asyncDispose]: () => client.end() };
  }

  test("keeps no call waiting, nor does one wait for what a call holds", async () => {
    const session = await openSession(site);
    const before = await counts();
    await using holder = await begun();
    const held = await holder.client.query<{ id: string }>(
      "select id from postern.sessions order by expires_at limit 10 for update",
    );
    await holder.client.query("select from postern.users for update");
    await holder.client.query("select from postern.revocation_head for update");
    {
      await using batch = await begun();
      // The tests' Postgres syncs nothing by itself.
      await batch.client.query("set local synchronous_commit = on");
      for (const table of ["sessions", "revocations", "user_addresses"]) {
        const { rows: found } = await batch.client.query("select cleaned from postern.clean($1, 100, null)", [
          table,
        ]);
        expect(found).toEqual([{ cleaned: 100 }]);
      }
      const { rows: kept } = await batch.client.query(
        "select count(*)::int as count from postern.sessions where id = any ($1)",
        [held.rows.map(({ id }) => id)],
      );
      expect(kept).toEqual([{ count: 10 }]);
      expect((await batch.client.query("show synchronous_commit")).rows).toEqual([
        { synchronous_commit: "off" },
      ]);
      await holder.client.query("rollback");
      expect(await outcomesOfWell(site, session)).toEqual(allWell);
      // Another replica leaves it to this one.
      expect(await cleanAsReplica()).toEqual({});
    }
    expect(await counts()).toEqual(before);
  });
});

test("thousands of needless rows go by two replicas at once, the others stay, and every refresh is granted", {
  timeout: 120_000,
}, async () => {
  const sessions = await Promise.all(Array.from({ length: 8 }, () => openSession(site)));
  await rows(
    `insert into postern.sessions select (s).* from (
       select jsonb_populate_record(s, jsonb_build_object(
         'id', postern.new_id(), 'expires_at', postern.now() - interval '23 hours', 'device', 'young')) as s
       from postern.sessions s order by s.expires_at limit 5) young`,
  );
  await rows(
    `update postern.revocations set forget_after = postern.now() - interval '4 minutes'
     where seq in (select seq from postern.revocations order by forget_after desc limit 5)`,
  );
  await rows(
    `update postern.user_addresses set last_login_at = postern.now() - interval '179 days'
     where address = '198.51.100.1'`,
  );
  const young = await rows(
    "select count(*)::int as count from postern.user_addresses where address = '198.51.100.1'",
  );
  const head = await rows("select seq, tail from postern.revocation_head");

  const cleaning = new AbortController();
  const refreshing = sessions.map(async (session) => {
    let { refreshToken } = session;
    let granted = 0;
    while (!cleaning.signal.aborted) {
      const { tokens } = await answered(() => site.web.auth.refresh({ refreshToken }));
      refreshToken = tokens?.refreshToken ?? "";
      granted += 1;
    }
    return granted;
  });
  const total: Record<string, number> = {};
  const finished = await poll("all is cleaned", 90_000, async () => {
    // Past the grace, so that the refreshes rotate.
    await advanceClock(database.url, pastTheGrace);
    for (const cleaned of await Promise.all([cleanAsReplica(), cleanAsReplica()])) {
      for (const [table, count] of Object.entries(cleaned)) total[table] = (total[table] ?? 0) + count;
    }
    const [left] = await rows(
      "select count(*)::int as count from postern.sessions where expires_at < postern.now() - interval '1 day'",
    );
    return left?.["count"] === 0 && (total["addresses"] ?? 0) > 0 ? left : undefined;
  }).finally(() => cleaning.abort());
  expect(finished).toEqual({ count: 0 });
  for (const granted of await Promise.all(refreshing)) expect(granted).toBeGreaterThan(0);

  expect(await counts()).toEqual([{ sessions: 5, entries: 5, addresses: young[0]?.["count"] }]);
  // On a slow machine the server has begun to clean as well.
  for (const [table, count] of Object.entries(await cleanedByServer()))
    total[table] = (total[table] ?? 0) + count;
  expect(total).toEqual({
    sessions: many.sessions,
    revocations: many.entries - 5,
    addresses: many.addresses - Number(young[0]?.["count"]),
  });
  expect(await rows("select seq, tail from postern.revocation_head")).toEqual(head);
  const generations = await rows(
    "select min(generation) > 0 as rotated, count(*)::int as count from postern.sessions where id = any ($1)",
    [sessions.map(({ sessionId }) => parseId("ses", sessionId))],
  );
  expect(generations).toEqual([{ rotated: true, count: sessions.length }]);
});

test("C10: a token spent 29 days ago ends its session, with all else cleaned away", {
  timeout: 60_000,
}, async () => {
  const session = await openSession(site);
  await advanceClock(database.url, pastTheGrace);
  const refresh = (refreshToken: string) => site.web.auth.refresh({ refreshToken });
  const { tokens } = await answered(() => refresh(session.refreshToken));
  await advanceClock(database.url, 29 * 86_400_000);
  await cleanAsReplica();
  expect(await refusal(answered(() => refresh(session.refreshToken)))).toBe("REFRESH_TOKEN_REUSED");
  expect(await refusal(answered(() => refresh(tokens?.refreshToken ?? "")))).toBe("SESSION_ENDED");
  await advanceClock(database.url, 2 * 86_400_000);
  await cleanAsReplica();
  expect(await refusal(answered(() => refresh(session.refreshToken)))).toBe("INVALID_REFRESH_TOKEN");
});

test("a rotation updates no index, so the index of ends costs it nothing", { timeout: 60_000 }, async () => {
  const [before] = await updates();
  const session = await openSession(site);
  let { refreshToken } = session;
  for (let i = 0; i < 20; i++) {
    await advanceClock(database.url, pastTheGrace);
    const { tokens } = await answered(() => site.web.auth.refresh({ refreshToken }));
    refreshToken = tokens?.refreshToken ?? "";
  }
  // A connection reports its statistics with a delay.
  const { all, hot } = await poll("Postgres has the server's statistics", 30_000, async () => {
    const [after] = await updates();
    const [all = 0, hot = 0] = ["all", "hot"].map((name) => Number(after?.[name]) - Number(before?.[name]));
    return all < 20 ? undefined : { all, hot };
  });
  // Now and then a row finds no room in its page.
  expect(hot).toBeGreaterThan(0.8 * all);
});

function updates(): Promise<Record<string, unknown>[]> {
  return rows(
    "select n_tup_upd::int as all, n_tup_hot_upd::int as hot from pg_stat_user_tables where relname = 'sessions'",
  );
}

test("a server cleans as one of its background jobs", async () => {
  const metrics = await readMetrics(site.server.ops);
  for (const outcome of ["done", "failed"]) {
    expect(metrics.has(`postern_job_runs_total{job="clean",outcome="${outcome}"}`)).toBe(true);
  }
});
