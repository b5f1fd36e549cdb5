import fc from "fast-check";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SessionGrant } from "../../services/auth/src/domain/ports/session-store.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { scaled } from "../support/run/scale.ts";
import { look, type System, sessionCommands } from "../support/session-model/session-commands.ts";
import { lives, SessionModel } from "../support/session-model/session-model.ts";
import { addUser, type Faults, openReplica, stopClock } from "../support/session-model/session-system.ts";

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createDatabase();
  pool = new Pool({ connectionString: database.url, max: 2 });
  // The database may be dropped while connections still close.
  pool.on("connect", (client) => client.on("error", () => {}));
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

async function openSystem(faults: Faults): Promise<{ model: SessionModel; real: System }> {
  const model = new SessionModel();
  await stopClock(pool, model.now);
  const open = () => openReplica(database.url, faults);
  const replicas = [await open(), await open()];
  const users = await Promise.all(
    model.users.map(({ password }, index) => addUser(replicas[index]?.stores ?? fail(), password)),
  );
  const real = { pool, replicas, openReplica: open, users, sessions: [], accessTokens: [] };
  return { model, real };
}

/** Histories of up to 40 steps over two replicas, each looked over at its end. */
function histories(faults: Faults = {}) {
  return fc.asyncProperty(fc.commands(sessionCommands(), { maxCommands: 40, size: "max" }), async (steps) => {
    const system = await openSystem(faults);
    try {
      await fc.asyncModelRun(() => system, steps);
      for (const on of system.real.replicas.keys()) await look(system.model, system.real, on);
    } finally {
      await Promise.all(system.real.replicas.map((replica) => replica.close()));
    }
  });
}

// This comes before the histories: a history that a time limit interrupts still moves the clock for a while.
describe("by the database's clock, to the millisecond, a token is active before its expiry and inactive from then on:", () => {
  type Tokens = Awaited<ReturnType<System["replicas"][number]["login"]>>["tokens"];
  const ends: [string, number, (tokens: Tokens) => string][] = [
    ["an access token", lives.access, ({ accessToken }) => accessToken],
    ["the refresh token of a session that is not used", lives.idle, ({ refreshToken }) => refreshToken],
  ];

  test.each(ends)("%s", async (_, end, tokenOf) => {
    const { real } = await openSystem({});
    try {
      const [user] = real.users;
      const login = real.replicas[0]?.login(user?.identifier ?? "", "first password", "web");
      const { tokens } = (await login) ?? fail();
      for (const replica of real.replicas) {
        // Several times each: the duration of a statement must not matter.
        for (const [seconds, active] of [
          [end - 0.001, true],
          [end, false],
        ] as const) {
          await stopClock(pool, seconds);
          const verdicts = await Promise.all([0, 1, 2, 3].map(() => replica.isActive(tokenOf(tokens))));
          expect(verdicts, `${seconds} s`).toEqual(verdicts.map(() => active));
        }
      }
    } finally {
      await Promise.all(real.replicas.map((replica) => replica.close()));
    }
  });
});

test("histories of logins, refreshes, replays, revocations, lost answers and restarts go as the model says", async () => {
  await fc.assert(histories(), { numRuns: scaled(100, { atLeast: 20 }) });
}, 600_000);

describe("a planted fault is found:", () => {
  /** With a seed that finds it soon; other seeds need up to a hundred histories. */
  const planted: [string, number, Faults][] = [
    ["a store that grants a reused token", 2, { stores: grantReused }],
    ["a log reader that misses revocations", 1, { logReader: blind }],
    ["a store that knows no `request_id`", 3, { stores: forgetRequestIds }],
    ["a store that disables without ending", 1, { stores: disableNobody }],
  ];

  test.each(planted)(
    "%s",
    async (_, seed, faults) => {
      const result = await fc.check(histories(faults), { seed, numRuns: 200, endOnFailure: true });
      expect(result.failed).toBe(true);
      expect(result.errorInstance).toMatchObject({ code: "ERR_ASSERTION" });
    },
    600_000,
  );
});

function grantReused(stores: Parameters<NonNullable<Faults["stores"]>>[0]) {
  const grants = new Map<string, SessionGrant>();
  const rotate: typeof stores.sessions.rotate = async (request) => {
    const outcome = await stores.sessions.rotate(request);
    if (outcome.kind === "granted") grants.set(request.sessionId, outcome.grant);
    const grant = grants.get(request.sessionId);
    return outcome.kind === "reused" && grant !== undefined ? { kind: "granted" as const, grant } : outcome;
  };
  return { ...stores, sessions: { ...stores.sessions, rotate } };
}

function blind(reader: Parameters<NonNullable<Faults["logReader"]>>[0]) {
  return { current: async () => ({ ...(await reader.current()), revocations: { revokes: () => false } }) };
}

function forgetRequestIds(stores: Parameters<NonNullable<Faults["stores"]>>[0]) {
  const rotate: typeof stores.sessions.rotate = (request) =>
    stores.sessions.rotate({ ...request, clientRequestId: undefined });
  return { ...stores, sessions: { ...stores.sessions, rotate } };
}

function disableNobody(stores: Parameters<NonNullable<Faults["stores"]>>[0]) {
  const setDisabled: typeof stores.users.setDisabled = (id, _, options) =>
    stores.users.setDisabled(id, false, options);
  return { ...stores, users: { ...stores.users, setDisabled } };
}

function fail(): never {
  throw new Error("the system has as many replicas as the model has users");
}
