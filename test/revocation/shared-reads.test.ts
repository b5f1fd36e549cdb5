import { afterAll, beforeAll, expect, test } from "vitest";
import { openRevocationLogReader } from "../../services/auth/src/domain/revocation/revocation-log-reader.ts";
import { createBatch } from "../../services/auth/src/lib/batch.ts";
import { withDeadline } from "../../services/auth/src/lib/deadline.ts";
import { openDatabase } from "../../services/auth/src/store/postgres/database.ts";
import { createUserNames } from "../../services/auth/src/store/postgres/user-names.ts";
import { tally } from "../support/clients/answers.ts";
import { each } from "../support/each.ts";
import { createLeanClient } from "../support/load/lean-client.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { openSession, openSite } from "../support/postgres/postgres-site.ts";
import { suitePolicy } from "../support/postgres/session-bench.ts";
import { newId, openStores, type Stores } from "../support/postgres/stores.ts";
import { TOKENS } from "../support/servers/server-process.ts";

let database: TestDatabase;
let stores: Stores;

beforeAll(async () => {
  database = await createDatabase();
  stores = openStores(database.url, suitePolicy);
});
afterAll(async () => {
  await stores?.[Symbol.asyncDispose]();
  await database?.drop();
});

/** For a caller that has given up before it asks. */
function late<T>(work: () => T): T {
  return withDeadline(performance.now() - 1, work);
}

async function newUser(): Promise<string> {
  const id = newId();
  const email = `${id}@shared.test`;
  const names = { email, emailKey: email, username: undefined, usernameKey: undefined };
  await stores.users.create(
    { id, ...names, roles: [], passwordHash: "none" },
    { caller: "test", requestId: "r" },
  );
  return id;
}

async function newSession(): Promise<string> {
  const id = newId();
  const shown = { device: "", clientAddress: "", userAgent: "", requestId: "r" };
  const grants = { audience: ["a"], scope: [], amr: ["pwd"], refreshKey: 1 };
  const login = { userId: await newUser(), passwordVersion: 1, rev: 0, caller: "test", clientId: "test" };
  expect((await stores.sessions.open({ id, ...login, ...grants, ...shown })).kind).toBe("opened");
  return id;
}

test("a head read whose first caller has given up is answered to the other callers", async () => {
  const reader = await openRevocationLogReader({
    log: stores.revocations,
    stalenessMs: 0,
    elapsedMs: () => performance.now(),
    onRewind() {
      throw new Error("the log was not rewound");
    },
    onKeys() {},
  });
  const views = [late(() => reader.current()), reader.current(), reader.current()];
  for (const view of await Promise.all(views)) expect(view.head).toEqual(reader.head);
});

test("so are names", async () => {
  await using db = openDatabase({ url: database.url, maxConnections: 1, name: "names", onFault: () => {} });
  const store = createUserNames(db);
  const read = createBatch((ids: ReadonlySet<string>) => store.readMany(ids));
  const [one, other] = await Promise.all([newUser(), newUser()]);
  expect(await Promise.all([late(() => read(one)), read(other), read(one)])).toEqual([
    `${one}@shared.test`,
    `${other}@shared.test`,
    `${one}@shared.test`,
  ]);
});

test("so are refreshes, and the batches that come after them", async () => {
  // More than there are batches in flight: the rest waits, and shares the next one.
  const sessions = await Promise.all(Array.from({ length: 6 }, newSession));
  const refresh = (sessionId: string) => {
    const optional = { clientId: undefined, scope: undefined, clientRequestId: undefined };
    return stores.sessions.rotate({
      sessionId,
      refreshKey: 1,
      generation: 0,
      caller: "test",
      requestId: "r",
      ...optional,
    });
  };
  const outcomes = sessions.map((id, index) => (index < 2 ? late(() => refresh(id)) : refresh(id)));
  expect((await Promise.all(outcomes)).map(({ kind }) => kind)).toEqual(Array(6).fill("granted"));
});

test("on a server, calls that give up after a few milliseconds do not affect the other callers", async () => {
  await using site = await openSite(database.url, { POSTERN_ACCESS_TTL: "1h" });
  const { accessToken, refreshToken } = await openSession(site);
  const requests = [
    ["Introspect", { token: accessToken }],
    ["Introspect", { token: refreshToken }],
    ["Refresh", { refreshToken }],
  ] as const;
  const options = { url: () => site.server.http, credential: TOKENS.web, slackMs: 20_000 };
  const outcomes = async (deadlineMs: number, calls: number, tries = 1): Promise<string[]> => {
    using client = createLeanClient({ ...options, deadlineMs });
    return await each(Array(calls).fill(requests).flat(), 8, async ([method, request]) => {
      let reason = "";
      for (let left = tries; left > 0; left--) {
        const answer = await client.call(method, request);
        if (answer.ok) return "answered";
        ({ reason } = answer);
        if (reason !== "UNAVAILABLE") break;
      }
      return reason;
    });
  };
  // If the machine stalls for a second, all calls in flight are UNAVAILABLE, but not their retries. A
  // hasty caller who took the others' answers away would do so at every try.
  const [patient, ...hasty] = await Promise.all([
    outcomes(9_000, 120, 3),
    ...[1, 2, 3].map((ms) => outcomes(ms, 80)),
  ]);
  expect(tally(patient)).toEqual({ answered: 360 });
  const {
    answered: inTime = 0,
    deadline_exceeded: late = 0,
    UNAVAILABLE: notAsked = 0,
    ...others
  } = tally(hasty.flat());
  expect(others).toEqual({});
  // Some may have been in time; that all were would mean that nothing has been tried.
  expect(late + notAsked).toBeGreaterThan(inTime / 10);
});
