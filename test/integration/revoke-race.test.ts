import { afterAll, beforeAll, expect, test } from "vitest";
import { tally } from "../support/clients/answers.ts";
import { each } from "../support/each.ts";
import { copyUsers } from "../support/people/copy-users.ts";
import { createUser, isActive, refresh, type TestUser } from "../support/people/people.ts";
import {
  type OpenedSession,
  openSessionSource,
  type SessionSource,
} from "../support/people/session-source.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { scaled } from "../support/run/scale.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";
import { pair, race, survivors } from "./races.ts";

const rounds = scaled(1_000, { atLeast: 150 });
const pastTheGrace = 31_000;

let two: TwoServers;
let source: SessionSource;
let model: TestUser;

beforeAll(async () => {
  two = await startTwoServers({ POSTERN_ACCESS_TTL: "1h" });
  source = await openSessionSource(two);
  model = await createUser(two.a.users);
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});

interface Target {
  readonly name: string;
  readonly end: (server: Replica, session: OpenedSession, user: TestUser) => Promise<unknown>;
}

const targets: readonly Target[] = [
  {
    name: "token",
    end: ({ web }, { refreshToken }) => web.revoke({ target: { case: "token", value: refreshToken } }),
  },
  {
    name: "session",
    end: ({ web }, { id }) => web.revoke({ target: { case: "sessionId", value: id } }),
  },
  {
    name: "user",
    end: ({ admin }, _, { id }) => admin.revoke({ target: { case: "userId", value: id } }),
  },
];

test.for(targets)(
  `C04 C05: ${rounds} × Refresh racing Revoke by $name leave nothing alive`,
  {
    timeout: 240_000,
  },
  async ({ end }, { annotate }) => {
    const users = await copyUsers(two, model, rounds);
    const sessions = await each(users, 4, async (user) => ({ user, session: await source.open(user.id) }));
    await advanceClock(two.databaseUrl, pastTheGrace);
    const alive = await each(sessions.slice(0, 50), 10, ({ session }) =>
      isActive(two.a.web, session.accessToken),
    );
    expect(alive).not.toContain(false);

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
    const { answered = 0, SESSION_ENDED = 0, ...others } = tally(outcomes);
    await annotate(`refreshes answered ${answered}, refused ${SESSION_ENDED}`);
    expect(found).toEqual([]);
    expect(others).toEqual({});
    expect(answered + SESSION_ENDED).toBe(rounds);
  },
);
