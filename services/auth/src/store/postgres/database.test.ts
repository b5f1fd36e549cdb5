import { setImmediate as turn } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTcpProxy } from "../../../../../test/support/faults/tcp-proxy.ts";
import { poll } from "../../../../../test/support/poll.ts";
import {
  createDatabase,
  type TestDatabase,
  withClient,
} from "../../../../../test/support/postgres/database.ts";
import { AuthError } from "../../domain/errors.ts";
import { withDeadline } from "../../lib/deadline.ts";
import { type Database, type DatabaseOptions, openDatabase } from "./database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  await withClient(database.url, (client) => client.query("create table public.sent (what text not null)"));
});
afterAll(() => database?.drop());

/** A pool of one connection, and the faults that it has reported. */
function open(options: Partial<DatabaseOptions> = {}): { db: Database; faults: unknown[] } {
  const faults: unknown[] = [];
  const onFault = (error: unknown) => faults.push(error);
  const db = openDatabase({ url: database.url, maxConnections: 1, name: "tested", onFault, ...options });
  return { db, faults };
}

/** Holds a lock until it is disposed of; every `stuck` statement waits for it. */
async function hold(): Promise<AsyncDisposable> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query("select pg_advisory_lock(1)");
  return { [Symbol.asyncDispose]: () => client.end() };
}

/** Records that it ran, once the lock is free. */
const stuck = "insert into public.sent select $1 from (select pg_advisory_xact_lock(1)) as locked";
const note = "insert into public.sent values ($1)";
const past = () => performance.now() - 1;

async function outcomeOf(answer: Promise<unknown>): Promise<string> {
  return answer.then(
    () => "answered",
    (error: unknown) => (error instanceof AuthError ? error.reason : String(error)),
  );
}

/** What was ever carried out of statements with this note. */
async function sent(what: string): Promise<number> {
  const { rows } = await withClient(database.url, (client) =>
    client.query("select count(*)::int as count from public.sent where what = $1", [what]),
  );
  return rows[0].count;
}

/** When each connection of the pool was last sent something. */
async function lastStatements(): Promise<unknown[]> {
  const sql = "select query_start::text from pg_stat_activity where application_name = 'tested'";
  return (await withClient(database.url, (client) => client.query(sql))).rows;
}

/** Statements of the pool that wait for the lock. */
async function waiting(count: number): Promise<true> {
  return poll(`${count} statements wait for the lock`, 20_000, async () => {
    const { rows } = await withClient(database.url, (client) =>
      client.query(
        `select count(*)::int as count from pg_stat_activity
         where datname = current_database() and application_name = 'tested' and wait_event = 'advisory'`,
      ),
    );
    return rows[0].count === count ? true : undefined;
  });
}

describe("a caller's deadline", () => {
  test("passed before: no statement is sent, and no connection lost", async () => {
    const { db } = open();
    await using _ = db;
    expect(await outcomeOf(db.query("select 'before'"))).toBe("answered");
    const before = await lastStatements();
    const late = withDeadline(past(), () => db.query(note, ["late"]));
    expect(await outcomeOf(late)).toBe("UNAVAILABLE");
    expect(before).toHaveLength(1);
    expect(await lastStatements()).toEqual(before);
    // On the only connection, so it runs after all earlier statements.
    expect(await outcomeOf(db.query(note, ["in time"]))).toBe("answered");
    expect([await sent("late"), await sent("in time")]).toEqual([0, 1]);
    expect(db.state()).toMatchObject({ used: 0, idle: 1, refused: 1 });
  });

  test("passed while it waits for a connection: it fails then, and the statement is not sent", async () => {
    const { db } = open();
    await using _ = db;
    let first: Promise<string>;
    {
      await using _lock = await hold();
      first = outcomeOf(db.query(stuck, ["first"]));
      await waiting(1);
      const late = withDeadline(performance.now() + 20, () => db.query(note, ["gave up"]));
      expect(await outcomeOf(late)).toBe("UNAVAILABLE");
    }
    await first;
    await recovered(db);
    expect([await sent("first"), await sent("gave up")]).toEqual([1, 0]);
  });

  test("passed while the statement runs: the caller gets an error, and the statement completes", async () => {
    const { db } = open();
    await using _ = db;
    {
      await using _lock = await hold();
      await db.query("select 1");
      const late = outcomeOf(withDeadline(performance.now() + 900, () => db.query(stuck, ["carried out"])));
      await waiting(1);
      expect(await late).toBe("UNAVAILABLE");
      // Nothing goes behind it: its connection is set aside.
      expect(db.state()).toMatchObject({ used: 1, idle: 0 });
    }
    await recovered(db);
    expect(await sent("carried out")).toBe(1);
  });
});

async function recovered(db: Database): Promise<void> {
  await poll("the pool has all its connections back", 20_000, async () => db.state().used === 0 || undefined);
  expect(await outcomeOf(db.query("select 1"))).toBe("answered");
}

describe("N05 a pool full of statements that hang", () => {
  test("refuses the next within its time, sends it never, and recovers", async () => {
    const { db, faults } = open({ maxConnections: 3, fullPoolMs: 20 });
    await using _ = db;
    {
      await using _lock = await hold();
      const hanging = [1, 2, 3].map(() => outcomeOf(db.query(stuck, ["hanging"])));
      await waiting(3);
      const refused = await Promise.all([1, 2, 3, 4].map(() => outcomeOf(db.query(note, ["refused"]))));
      expect(refused).toEqual(Array(4).fill("UNAVAILABLE"));
      // Told once, and counted.
      expect(faults.map(String)).toEqual(["LateError: no connection within 20 ms"]);
      expect(db.state()).toMatchObject({ used: 3, idle: 0, refused: 4 });
      expect(await Promise.all(hanging)).toEqual(Array(3).fill("UNAVAILABLE"));
    }
    await recovered(db);
    expect([await sent("hanging"), await sent("refused")]).toEqual([3, 0]);
  });

  test("for reading only: closes them when they are late, and is whole again", async () => {
    const { db } = open({ readsOnly: true });
    await using _ = db;
    await using _lock = await hold();
    const hanging = db.query("select from (select pg_advisory_xact_lock(1)) as locked");
    expect(await outcomeOf(hanging)).toBe("UNAVAILABLE");
    await recovered(db);
  });

  test("can be disposed of", async () => {
    const { db } = open();
    await using _lock = await hold();
    const hanging = outcomeOf(db.query(stuck, ["at the end"]));
    await waiting(1);
    await db[Symbol.asyncDispose]();
    expect(await hanging).toBe("UNAVAILABLE");
  });
});

test("L14 a pool whose connections are reset while it is disposed of is disposed of", async () => {
  const { hostname: host, port } = new URL(database.url);
  await using proxy = await startTcpProxy({ host, port: Number(port) });
  const { db } = open({ url: proxy.through(database.url) });
  await db.query("select 1");
  proxy.hold();
  const disposed = db[Symbol.asyncDispose]();
  // It waits for the server to close them, and is not patient yet.
  await turn();
  proxy.cut();
  await disposed;
});

describe("faults", () => {
  const raise = (code: string) => `do $$ begin raise exception 'of a test' using errcode = '${code}'; end $$`;

  test.each(["08006", "53300", "57P03", "25006", "40001", "40P01", "55P03", "57014", "58030"])(
    "N07 %s is of the moment: UNAVAILABLE, with its cause for the log",
    async (code) => {
      const { db, faults } = open();
      await using _ = db;
      expect(await outcomeOf(db.query(raise(code)))).toBe("UNAVAILABLE");
      expect(faults).toMatchObject([{ code }]);
      expect(await outcomeOf(db.query("select 1"))).toBe("answered");
    },
  );

  test.each(["42601", "23505", "22023", "P0001"])(
    "%s concerns the statement, and is passed on unchanged",
    async (code) => {
      const { db, faults } = open();
      await using _ = db;
      await expect(db.query(raise(code))).rejects.toMatchObject({ code });
      expect(faults).toEqual([]);
      expect(db.state()).toMatchObject({ used: 0, idle: 1 });
    },
  );

  test("N07 a certificate's file that is gone by the time of a new connection is UNAVAILABLE", async () => {
    const url = `${database.url}?sslmode=verify-full&sslrootcert=/nowhere/at/all.pem`;
    const { db, faults } = open({ url });
    await using _ = db;
    expect(await outcomeOf(db.query("select 1"))).toBe("UNAVAILABLE");
    expect(faults).toMatchObject([{ code: "ENOENT" }]);
  });

  test("a caller learns that the database accepts no writes, or refuses the connection, and nothing else", async () => {
    const messageOf = (db: Database, sql: string) =>
      db.query(sql).then(
        () => "answered",
        (error: Error) => error.message,
      );
    const { db } = open();
    await using _ = db;
    expect(await messageOf(db, raise("25006"))).toContain("the database is read-only");
    expect(await messageOf(db, raise("53100"))).toContain("no room on its disk");
    expect(await messageOf(db, raise("53300"))).toContain("did not answer in time");
    const refused = open({ url: Object.assign(new URL(database.url), { password: "wr0ng-one" }).href });
    await using __ = refused.db;
    expect(await messageOf(refused.db, "select 1")).toBe(
      "the database refuses Postern: see the server's log",
    );
  });

  test("a connection that the server ends under a statement is replaced", async () => {
    const { db } = open();
    await using _ = db;
    expect(await outcomeOf(db.query("select pg_terminate_backend(pg_backend_pid())"))).toBe("UNAVAILABLE");
    expect(await outcomeOf(db.query("select 1"))).toBe("answered");
  });

  test("L14 a connection that ends while it is idle is reported and replaced", async () => {
    const { db, faults } = open();
    await using _ = db;
    const [backend] = await db.query<{ pid: number }>("select pg_backend_pid() as pid");
    await withClient(database.url, (client) =>
      client.query("select pg_terminate_backend($1)", [backend?.pid]),
    );
    await poll("the fault is reported", 20_000, async () => faults.length > 0 || undefined);
    expect(await outcomeOf(db.query("select 1"))).toBe("answered");
  });
});
