import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import { answered, refusal } from "../support/clients/answers.ts";
import { each } from "../support/each.ts";
import { pair } from "../support/load/races.ts";
import { createUser, isActive, login, PASSWORD, refresh } from "../support/people/people.ts";
import { openSessionSource } from "../support/people/session-source.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { type PgBouncer, startPgBouncer } from "../support/postgres/pgbouncer.ts";
import { scaled } from "../support/run/scale.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const crowd = 100;
const tokens = scaled(1_000, { atLeast: 150 });
const pastTheGrace = 31_000;

let bouncer: PgBouncer;
let two: TwoServers;

beforeAll(async () => {
  bouncer = await startPgBouncer({ postgresUrl: inject("postgresUrl") });
  // On an empty database: so both migrate it through PgBouncer, and make keys.
  two = await startTwoServers({ POSTERN_ACCESS_TTL: "1h" }, { migrated: false, through: bouncer.through });
});
afterAll(async () => {
  await two?.[Symbol.asyncDispose]();
  await bouncer?.stop();
});

test("two servers that start on an empty database migrate it once, and share their keys", async () => {
  const applied = await two.query("select version from postern.migrations order by version");
  expect(applied).toEqual(applied.map((_, index) => ({ version: index + 1 })));
  expect(await two.query("select purpose from postern.keys order by number")).toEqual([
    { purpose: "signing" },
    { purpose: "refresh" },
  ]);
  const opened = await login(two.a.web, (await createUser(two.b.users)).email);
  expect(await isActive(two.b.web, opened.accessToken)).toBe(true);
  expect(await isActive(two.b.web, opened.refreshToken)).toBe(true);
});

test(`${crowd} concurrent refreshes of one token over two servers rotate it once`, async () => {
  const opened = await login(two.a.web, (await createUser(two.a.users)).email);
  await advanceClock(two.databaseUrl, pastTheGrace);
  const answers = await Promise.all(
    Array.from({ length: crowd }, (_, index) => refresh(pair(two, index)[0].web, opened.refreshToken)),
  );
  const successors = new Set(answers.map(({ refreshToken }) => refreshToken));
  expect(successors.size).toBe(1);
  expect(successors).not.toContain(opened.refreshToken);
  expect(await sessionRow(opened.sessionId)).toEqual({ generation: 1, ended_at: null });
  const active = await Promise.all(
    answers.map(({ accessToken }, index) => isActive(pair(two, index)[1].web, accessToken)),
  );
  expect(active).not.toContain(false);
});

test(`${tokens} tokens that were revoked are inactive on both servers from then on`, {
  timeout: 240_000,
}, async () => {
  await using source = await openSessionSource(two);
  const user = await createUser(two.a.users);
  const opened = await each(Array.from({ length: tokens }), 8, () => source.open(user.id));
  const before = await each(opened.slice(-50), 8, ({ accessToken }) => isActive(two.b.web, accessToken));
  expect(before).not.toContain(false);
  const found = await each(opened, 16, async ({ id, accessToken, refreshToken }, index) => {
    const [one, other] = pair(two, index);
    const revoke = [
      () => one.web.revoke({ target: { case: "sessionId", value: id } }),
      () => one.web.revoke({ target: { case: "token", value: refreshToken } }),
      () => one.web.revoke({ target: { case: "token", value: accessToken } }),
    ][index % 3] as () => Promise<unknown>;
    await answered(revoke);
    return Promise.all([one, other].map((server) => isActive(server.web, accessToken)));
  });
  expect(found.flat()).not.toContain(true);
});

test.each<[string, (server: Replica, userId: string) => Promise<unknown>]>([
  [
    "SetPassword",
    ({ users }, userId) => users.setPassword({ userId, password: "other plums, other bridges" }),
  ],
  ["DisableUser", ({ users }, userId) => users.disableUser({ userId })],
])("%s ends the user's sessions on both servers", async (_, change) => {
  const user = await createUser(two.a.users);
  const opened = await Promise.all([two.a, two.b].map((server) => login(server.web, user.email)));
  await answered(() => change(two.a, user.id));
  for (const server of [two.a, two.b]) {
    for (const { accessToken, refreshToken } of opened) {
      expect(await isActive(server.web, accessToken)).toBe(false);
      expect(await isActive(server.web, refreshToken)).toBe(false);
      expect(await refusal(refresh(server.web, refreshToken))).toBe("SESSION_ENDED");
    }
    const again = answered(() => server.web.login({ identifier: user.email, password: PASSWORD }));
    expect(await refusal(again)).toBe("INVALID_CREDENTIALS");
  }
});

async function sessionRow(sessionId: string): Promise<unknown> {
  const [row] = await two.query("select generation, ended_at from postern.sessions where id = $1", [
    parseId("ses", sessionId),
  ]);
  return row;
}
