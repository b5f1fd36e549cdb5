import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusal, tally } from "../support/clients/answers.ts";
import { each } from "../support/each.ts";
import { pair, race, survivors } from "../support/load/races.ts";
import { copyUsers } from "../support/people/copy-users.ts";
import { createUser, isActive, login, type TestUser } from "../support/people/people.ts";
import { openSessionSource } from "../support/people/session-source.ts";
import { plantInFunction } from "../support/postgres/planted-function.ts";
import { scaled } from "../support/run/scale.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const rounds = scaled(1_000, { atLeast: 150 });
/** Logins at the same time. */
const lanes = 8;

interface Change {
  readonly name: string;
  readonly change: (server: Replica, user: TestUser) => Promise<unknown>;
}

const changes: readonly [Change, ...Change[]] = [
  {
    name: "SetPassword",
    change: ({ users }, { id }) =>
      users.setPassword({ userId: id, password: "another plum, another bridge" }),
  },
  { name: "DisableUser", change: ({ users }, { id }) => users.disableUser({ userId: id }) },
];

/** Longest time of a login on this machine, under the load of the race. A change is sent at any moment of a login. */
async function loginMs({ a }: TwoServers, users: readonly TestUser[]): Promise<number> {
  const times = await each(users.slice(0, 2 * lanes), lanes, async ({ email }) => {
    const startMs = performance.now();
    await login(a.web, email);
    return performance.now() - startMs;
  });
  return Math.max(...times);
}

/** @returns what is still active after all changes were answered, and the outcomes of the logins */
async function raceLogins(two: TwoServers, users: readonly TestUser[], change: Change["change"]) {
  await using source = await openSessionSource(two);
  const sweepMs = await loginMs(two, users);
  const earlier = await each(users, 4, async (user) => ({ user, session: await source.open(user.id) }));
  const active = await each(earlier.slice(0, 50), 10, ({ session }) =>
    isActive(two.a.web, session.accessToken),
  );
  expect(active).not.toContain(false);
  const found: string[] = [];
  const outcomes = await each(earlier, lanes, async ({ user, session }, index) => {
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
  return { found, outcomes: tally(outcomes) };
}

describe("servers", () => {
  let two: TwoServers;
  let model: TestUser;
  beforeAll(async () => {
    two = await startTwoServers({ POSTERN_ACCESS_TTL: "1h" });
    model = await createUser(two.a.users);
  });
  afterAll(() => two?.[Symbol.asyncDispose]());

  test.for(changes)(
    `B08: ${rounds} × Login racing $name leave nothing active`,
    { timeout: 600_000 },
    async ({ change }, { annotate }) => {
      const users = await copyUsers(two, model, rounds);
      const { found, outcomes } = await raceLogins(two, users, change);
      const { answered = 0, INVALID_CREDENTIALS = 0, ...others } = outcomes;
      await annotate(`logins answered ${answered}, refused ${INVALID_CREDENTIALS}`);
      expect(found).toEqual([]);
      expect(others).toEqual({});
      expect(answered + INVALID_CREDENTIALS).toBe(rounds);
      // The old password, or the disabled user, is refused.
      expect(await refusal(login(two.b.web, users[0]?.email ?? ""))).toBe("INVALID_CREDENTIALS");
    },
  );

  test("the race finds a planted login that does not check again what it has read before the hash", {
    timeout: 600_000,
  }, async ({ annotate }) => {
    await using planted = await startTwoServers({ POSTERN_ACCESS_TTL: "1h" });
    await plantInFunction(planted.databaseUrl, "open_session", [
      ["or v_user.password_version is distinct from v_new.password_version", ""],
      ["v_new.rev < postern.cutoff(v_user, v_new.client_id)", "false"],
      ["v_now + p_ttl, v_new.rev,", "v_now + p_ttl, (select seq from postern.revocation_head),"],
    ]);
    const users = await copyUsers(planted, await createUser(planted.a.users), rounds);
    const [{ change }] = changes;
    const { found } = await raceLogins(planted, users, change);
    await annotate(`${found.length} tokens left active in ${rounds} rounds`);
    expect(found).not.toEqual([]);
  });
});
