import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tally } from "../support/clients/answers.ts";
import { each } from "../support/each.ts";
import { pair, race, survivors } from "../support/load/races.ts";
import { copyUsers } from "../support/people/copy-users.ts";
import { createUser, isActive, refresh, type TestUser } from "../support/people/people.ts";
import { type OpenedSession, openSessionSource } from "../support/people/session-source.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { plantInFunction } from "../support/postgres/planted-function.ts";
import { scaled } from "../support/run/scale.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const rounds = scaled(1_000, { atLeast: 150 });
const pastTheGrace = 31_000;

interface Target {
  readonly name: string;
  readonly end: (server: Replica, session: OpenedSession, user: TestUser) => Promise<unknown>;
}

const byUser: Target = {
  name: "user",
  end: ({ admin }, _, { id }) => admin.revoke({ target: { case: "userId", value: id } }),
};
const targets: readonly Target[] = [
  {
    name: "token",
    end: ({ web }, { refreshToken }) => web.revoke({ target: { case: "token", value: refreshToken } }),
  },
  {
    name: "session",
    end: ({ web }, { id }) => web.revoke({ target: { case: "sessionId", value: id } }),
  },
  byUser,
];

/** @returns what is still active after all revocations were answered, and the outcomes of the refreshes */
async function raceRefreshes(two: TwoServers, end: Target["end"]) {
  await using source = await openSessionSource(two);
  const users = await copyUsers(two, await createUser(two.a.users), rounds);
  const sessions = await each(users, 4, async (user) => ({ user, session: await source.open(user.id) }));
  await advanceClock(two.databaseUrl, pastTheGrace);
  const active = await each(sessions.slice(0, 50), 10, ({ session }) =>
    isActive(two.a.web, session.accessToken),
  );
  expect(active).not.toContain(false);
  const found: string[] = [];
  const outcomes = await each(sessions, 16, async ({ user, session }, index) => {
    const [one, other] = pair(two, index);
    const outcome = await race(
      index,
      () => refresh(one.web, session.refreshToken),
      () => end(other, session, user),
    );
    const won = typeof outcome === "string" ? [] : [outcome];
    found.push(...(await survivors(two, index, [session, ...won])));
    return typeof outcome === "string" ? outcome : "answered";
  });
  return { found, outcomes: tally(outcomes) };
}

describe("servers", () => {
  let two: TwoServers;
  beforeAll(async () => {
    two = await startTwoServers({ POSTERN_ACCESS_TTL: "1h" });
  });
  afterAll(() => two?.[Symbol.asyncDispose]());

  test.for(targets)(
    `C04 C05: ${rounds} × Refresh racing Revoke by $name leave nothing active`,
    { timeout: 600_000 },
    async ({ end }, { annotate }) => {
      const { found, outcomes } = await raceRefreshes(two, end);
      const { answered = 0, SESSION_ENDED = 0, ...others } = outcomes;
      await annotate(`refreshes answered ${answered}, refused ${SESSION_ENDED}`);
      expect(found).toEqual([]);
      expect(others).toEqual({});
      expect(answered + SESSION_ENDED).toBe(rounds);
    },
  );

  test("the race finds a planted refresh that takes the log's number after its checks", {
    timeout: 600_000,
  }, async ({ annotate }) => {
    await using planted = await startTwoServers({ POSTERN_ACCESS_TTL: "1h" });
    await plantInFunction(planted.databaseUrl, "rotate_sessions", [
      [
        "granted := postern.to_grant(s,",
        "perform pg_sleep(0.01);\n    s.rev := (select seq from postern.revocation_head);\n    granted := postern.to_grant(s,",
      ],
    ]);
    const { found } = await raceRefreshes(planted, byUser.end);
    await annotate(`${found.length} tokens left active in ${rounds} rounds`);
    expect(found).not.toEqual([]);
  });
});
