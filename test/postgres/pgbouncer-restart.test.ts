import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import { answered, tally } from "../support/clients/answers.ts";
import { reasonOf } from "../support/clients/clients.ts";
import { pair } from "../support/load/races.ts";
import { createUser, login, PASSWORD, type TestUser } from "../support/people/people.ts";
import { openSessionSource, type SessionSource } from "../support/people/session-source.ts";
import { poll } from "../support/poll.ts";
import { type PgBouncer, startPgBouncer } from "../support/postgres/pgbouncer.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

/** Only separates calls that hang from calls that are answered. */
const inTime = { timeoutMs: 5_000 };

let bouncer: PgBouncer;
let two: TwoServers;
let source: SessionSource;

beforeAll(async () => {
  bouncer = await startPgBouncer({ postgresUrl: inject("postgresUrl") });
  // Without a grace, every refresh rotates, and what is lost is lost.
  const settings = { POSTERN_REFRESH_GRACE: "0s", POSTERN_MAX_SESSIONS: "10000", POSTERN_ACCESS_TTL: "1h" };
  two = await startTwoServers(settings, { through: bouncer.through });
  source = await openSessionSource(two);
});
afterAll(async () => {
  await source?.[Symbol.asyncDispose]();
  await two?.[Symbol.asyncDispose]();
  await bouncer?.stop();
});

/** Reasons for which calls had no verdict. */
const refusals: string[] = [];

/** Calls until there is a verdict. */
function verdict<T>(call: () => Promise<T>): Promise<T> {
  return answered(() =>
    call().catch((error: unknown) => {
      refusals.push(reasonOf(error));
      throw error;
    }),
  );
}

async function isActive({ web }: Replica, token: string): Promise<boolean> {
  return (await verdict(() => web.introspect({ token }, inTime))).active;
}

async function expectOnBoth(token: string, active: boolean): Promise<void> {
  const found = await Promise.all([two.a, two.b].map((server) => isActive(server, token)));
  expect(found).toEqual([active, active]);
}

/** One turn of a kind of work; turns of a lane follow each other. */
type Turn = (round: number) => Promise<void>;

async function refreshing(user: TestUser) {
  let { refreshToken, sessionId } = await login(two.a.web, user.email);
  const turn: Turn = async (round) => {
    const [{ web }] = pair(two, round);
    // A client that gets UNAVAILABLE retries with the same ID.
    const again = { refreshToken, requestId: `r-${round}` };
    const { tokens } = await verdict(() => web.refresh(again, inTime));
    expect(tokens?.refreshToken).not.toBe(refreshToken);
    refreshToken = tokens?.refreshToken ?? "";
  };
  return { sessionId, turn };
}

async function loggingIn(user: TestUser): Promise<Turn> {
  return async (round) => {
    const [{ web }] = pair(two, round);
    const asked = { identifier: user.email, password: PASSWORD };
    const { outcome } = await verdict(() => web.login(asked, inTime));
    await expectOnBoth(outcome.value?.tokens?.accessToken ?? "", true);
  };
}

async function revoking(user: TestUser): Promise<Turn> {
  return async (round) => {
    const [{ web }] = pair(two, round);
    const { id, accessToken } = await source.open(user.id);
    await verdict(() => web.revoke({ target: { case: "sessionId", value: id } }, inTime));
    await expectOnBoth(accessToken, false);
  };
}

async function introspecting(user: TestUser): Promise<Turn> {
  const { accessToken } = await login(two.a.web, user.email);
  return () => expectOnBoth(accessToken, true);
}

test("PgBouncer killed and started under load: UNAVAILABLE at the worst, and nothing is lost", {
  timeout: 90_000,
}, async ({ annotate }) => {
  const user = await createUser(two.a.users);
  const refreshers = await Promise.all([1, 2, 3, 4].map(() => refreshing(user)));
  const others = await Promise.all([loggingIn, revoking, introspecting].map((lane) => lane(user)));
  const turns = [...refreshers.map(({ turn }) => turn), ...others, ...others];
  const done = turns.map(() => 0);
  let over = false;

  async function run(turn: Turn, lane: number): Promise<void> {
    try {
      for (let round = 0; !over; round++) {
        await turn(round);
        done[lane] = round + 1;
      }
    } finally {
      over = true;
    }
  }
  async function eachGoesOn(): Promise<void> {
    const before = [...done];
    await poll("every lane goes on", 20_000, async () =>
      over || done.every((count, lane) => count >= (before[lane] ?? 0) + 3) ? true : undefined,
    );
  }
  async function restart(): Promise<void> {
    for (const _ of [1, 2, 3]) {
      await eachGoesOn();
      const before = refusals.length;
      await bouncer.kill9();
      await poll("calls have no verdict", 20_000, async () =>
        over || refusals.length >= before + 10 ? true : undefined,
      );
      await bouncer.start();
    }
    await eachGoesOn();
    over = true;
  }
  await Promise.all([...turns.map(run), restart()]);

  await annotate(`turns ${done.join(" ")}; without a verdict: ${JSON.stringify(tally(refusals))}`);
  expect(["UNAVAILABLE", "OVERLOADED"]).toEqual(expect.arrayContaining([...new Set(refusals)]));
  for (const [lane, { sessionId }] of refreshers.entries()) {
    const [row] = await two.query("select generation, ended_at from postern.sessions where id = $1", [
      parseId("ses", sessionId),
    ]);
    // However often each was tried, it was carried out once.
    expect(row).toEqual({ generation: done[lane], ended_at: null });
  }
  expect(await two.query("select event from postern.audit where event like 'refresh%'")).toEqual([]);
});
