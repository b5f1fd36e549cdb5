import { afterAll, beforeAll, expect, test } from "vitest";
import type {
  RotateOutcome,
  RotateRequest,
  SessionPolicy,
} from "../../services/auth/src/domain/ports/session-store.ts";
import { poll } from "../support/poll.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { ofNobody } from "../support/postgres/session-bench.ts";
import { newId, openStores, type Stores } from "../support/postgres/stores.ts";

const day = 86_400_000;
const policy: SessionPolicy = {
  accessTtlMs: 300_000,
  refreshGraceMs: 60_000,
  idleTtlMs: day,
  sessionTtlMs: day,
  maxSessions: 200,
};
const actor = { caller: "test", requestId: "r" };

let database: TestDatabase;
let replicas: readonly [Stores, Stores];

beforeAll(async () => {
  database = await createDatabase();
  const name = new URL(database.url).pathname.slice(1);
  // Below the rotations' `lock_timeout`, or that would end every deadlock before it is noticed as one.
  await withClient(database.url, (client) =>
    client.query(`alter database ${name} set deadlock_timeout = '20ms'`),
  );
  replicas = [openStores(database.url, policy), openStores(database.url, policy)];
});

afterAll(async () => {
  for (const replica of replicas) await replica[Symbol.asyncDispose]();
  await database.drop();
});

test("a storm of overlapping batches, logins and revocations on two replicas: an outcome each, no deadlock", async () => {
  const { kinds, asked, deadlocked } = await storm();
  expect(kinds).toHaveLength(asked);
  // What can cross has crossed: writes, ends by the log, and ends by others.
  expect([...new Set(kinds)].toSorted()).toEqual(["ended", "granted", "reused"]);
  expect(deadlocked).toBe(0);
}, 600_000);

test("the same storm deadlocks where a batch locks its sessions in the order of arrival", async () => {
  const order = "order by q.session_id, q.ord";
  await withClient(database.url, async (client) => {
    const { rows } = await client.query(
      "select pg_get_functiondef('postern.rotate_sessions'::regproc) as sql",
    );
    const sql: string = rows[0].sql;
    expect(sql).toContain(order);
    await client.query(sql.replace(order, "order by q.ord"));
    try {
      expect((await storm()).deadlocked).toBeGreaterThan(0);
    } finally {
      await client.query(sql);
    }
  });
}, 600_000);

test("a session that another transaction holds costs its own request alone its outcome", async () => {
  const [stuck, ...rest] = await openSessions(40, await newUser());
  await advanceClock(database.url, policy.refreshGraceMs);
  await withClient(database.url, async (holder) => {
    await holder.query("begin");
    await holder.query("select from postern.sessions where id = $1 for update", [stuck]);
    const { sessions } = replicas[0];
    // The first two are sent at once, alone; what follows meanwhile makes one batch.
    const asked = [...rest.slice(0, 20), stuck as string, ...rest.slice(20)].map((id) => ({
      id,
      outcome: sessions.rotate(request(id, 0)),
    }));
    for (const { id, outcome } of asked) {
      if (id === stuck) await expect(outcome).rejects.toMatchObject({ reason: "UNAVAILABLE" });
      else expect(await outcome).toMatchObject({ kind: "granted", grant: { sessionId: id, generation: 1 } });
    }
    await holder.query("rollback");
  });
  // Nothing was spent by the refusal.
  expect(await replicas[0].sessions.rotate(request(stuck as string, 0))).toMatchObject(granted(1));
});

test("a row that breaks the statement costs its own request alone its outcome", async () => {
  const ids = await openSessions(40, await newUser());
  await advanceClock(database.url, policy.refreshGraceMs);
  const bad = at(ids, 20);
  const last = 2 ** 31 - 1;
  await withClient(database.url, (client) =>
    client.query("update postern.sessions set generation = $2 where id = $1", [bad, last]),
  );
  const { sessions } = replicas[1];
  const asked = ids.map((id) => ({ id, outcome: sessions.rotate(request(id, id === bad ? last : 0)) }));
  for (const { id, outcome } of asked) {
    if (id === bad) await expect(outcome).rejects.toMatchObject({ code: "22003" });
    else expect(await outcome).toMatchObject({ kind: "granted", grant: { sessionId: id, generation: 1 } });
  }
});

/** @returns the outcomes (`failed` if there is none), the number of requests, and the number of deadlocks that Postgres counted */
async function storm(): Promise<{ kinds: string[]; asked: number; deadlocked: number }> {
  const limited = { ...policy, maxSessions: 96 };
  const before = await deadlocks();
  const kinds: string[] = [];
  let asked = 0;
  {
    await using one = openStores(database.url, limited, { name: "storm" });
    await using two = openStores(database.url, limited, { name: "storm" });
    const userId = await newUser();
    const sessionIds = await openSessions(limited.maxSessions, userId);
    for (let round = 0; round < 8; round++) {
      await advanceClock(database.url, policy.refreshGraceMs);
      const some = (from: number) => sessionIds.slice(from + round * 4, from + round * 4 + 4);
      const reused = round > 1 ? some(32) : [];
      // Every replica revokes every session, in opposite orders.
      const rotations = [one, two].flatMap(({ sessions }, i) =>
        (i === 0 ? sessionIds : sessionIds.toReversed()).map((id) =>
          sessions.rotate(request(id, reused.includes(id) ? 0 : round)),
        ),
      );
      const others = [
        ...some(0).map((id, i) => at([one, two], i % 2).revocations.revokeSession(id, undefined, actor)),
        ...[one, two].map(({ revocations }) => revocations.revokeToken(newId(), tomorrow(), actor, ofNobody)),
        ...[one, two].map(({ revocations }) => revocations.revokeClient("another", actor)),
        openSessions(12, userId, [one, two]),
      ];
      const [rotated, other] = await Promise.all([Promise.allSettled(rotations), Promise.allSettled(others)]);
      for (const result of rotated) kinds.push(result.status === "fulfilled" ? result.value.kind : "failed");
      for (const { status } of other) if (status === "rejected") kinds.push("failed");
      asked += rotations.length;
    }
  }
  // A backend counts at the latest when it ends.
  await poll("the storm's backends end", 20_000, async () =>
    (await stormBackends()) === 0 ? true : undefined,
  );
  return { kinds, asked, deadlocked: (await deadlocks()) - before };
}

async function newUser(): Promise<string> {
  const id = newId();
  const email = `u${id}@example.com`;
  const names = { email, emailKey: email, username: undefined, usernameKey: undefined };
  await replicas[0].users.create({ id, ...names, roles: [], passwordHash: "hash" }, actor);
  return id;
}

async function openSessions(
  count: number,
  userId: string,
  on: readonly Stores[] = replicas,
): Promise<string[]> {
  const opened = Array.from({ length: count }, async (_, i) => {
    const id = newId();
    const { sessions, revocations } = at(on, i % 2);
    const outcome = await sessions.open({
      id,
      userId,
      passwordVersion: 1,
      rev: await revocations.readSeq(),
      caller: "gateway",
      clientId: "web",
      audience: ["api"],
      scope: [],
      amr: ["pwd"],
      refreshKey: 1,
      device: "",
      clientAddress: "",
      userAgent: "",
      requestId: "",
    });
    expect(outcome.kind).toBe("opened");
    return id;
  });
  return Promise.all(opened);
}

function request(sessionId: string, generation: number): RotateRequest {
  return {
    sessionId,
    refreshKey: 1,
    generation,
    caller: "gateway",
    clientId: undefined,
    scope: undefined,
    clientRequestId: undefined,
    requestId: "r",
  };
}

function granted(generation: number): { kind: RotateOutcome["kind"]; grant: { generation: number } } {
  return { kind: "granted", grant: { generation } };
}

/** Of this database, since it was made. */
async function deadlocks(): Promise<number> {
  return withClient(database.url, async (client) => {
    const { rows } = await client.query(
      "select deadlocks::int from pg_stat_database where datname = current_database()",
    );
    return rows[0].deadlocks;
  });
}

async function stormBackends(): Promise<number> {
  return withClient(database.url, async (client) => {
    const { rows } = await client.query(
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and application_name = 'storm'`,
    );
    return rows[0].count;
  });
}

function tomorrow(): Date {
  return new Date(Date.now() + day);
}

function at<T>(all: readonly T[], index: number): T {
  const found = all[index];
  if (found === undefined) throw new RangeError(`no number ${index}`);
  return found;
}
