import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusal, tally } from "../support/clients/answers.ts";
import { each } from "../support/each.ts";
import { copyUsers } from "../support/people/copy-users.ts";
import { createUser, isActive, login, type TestUser } from "../support/people/people.ts";
import { openSessionSource, type SessionSource } from "../support/people/session-source.ts";
import { scaled } from "../support/run/scale.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";
import { pair, race, survivors } from "./races.ts";

const rounds = scaled(1_000, { atLeast: 150 });
/** A login takes some 20 ms; what races it is sent at any moment of that, or a little later. */
const sweepMs = 32;

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

interface Change {
  readonly name: string;
  readonly change: (server: Replica, user: TestUser) => Promise<unknown>;
}

const changes: readonly Change[] = [
  {
    name: "SetPassword",
    change: ({ users }, { id }) =>
      users.setPassword({ userId: id, password: "another plum, another bridge" }),
  },
  { name: "DisableUser", change: ({ users }, { id }) => users.disableUser({ userId: id }) },
];

test.for(changes)(
  `B08: ${rounds} × Login racing $name leave nothing alive`,
  { timeout: 240_000 },
  async ({ change }, { annotate }) => {
    const users = await copyUsers(two, model, rounds);
    const earlier = await each(users, 4, async (user) => ({ user, session: await source.open(user.id) }));
    const alive = await each(earlier.slice(0, 50), 10, ({ session }) =>
      isActive(two.a.web, session.accessToken),
    );
    expect(alive).not.toContain(false);

    const found: string[] = [];
    const outcomes = await each(earlier, 8, async ({ user, session }, index) => {
      const [one, other] = pair(two, index);
      const outcome = await race(
        index,
        () => login(one.web, user.email),
        async () => {
          await delay(((index % 16) * sweepMs) / 16);
          await change(other, user);
        },
      );
      const won = typeof outcome === "string" ? [] : [outcome];
      found.push(...(await survivors(two, index, [session, ...won])));
      return typeof outcome === "string" ? outcome : "answered";
    });
    const { answered = 0, INVALID_CREDENTIALS = 0, ...others } = tally(outcomes);
    await annotate(`logins answered ${answered}, refused ${INVALID_CREDENTIALS}`);
    expect(found).toEqual([]);
    expect(others).toEqual({});
    expect(answered + INVALID_CREDENTIALS).toBe(rounds);
    // The password that was right is right no more.
    expect(await refusal(login(two.b.web, users[0]?.email ?? ""))).toBe("INVALID_CREDENTIALS");
  },
);
