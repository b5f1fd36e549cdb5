import { expect, test } from "vitest";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import { createUser, isActive, login, refresh } from "../support/people/people.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const crowd = 200;
const pastTheGrace = 31_000;

async function generationOf({ query }: TwoServers, sessionId: string): Promise<unknown> {
  const [row] = await query("select generation, ended_at from postern.sessions where id = $1", [
    parseId("ses", sessionId),
  ]);
  expect(row?.["ended_at"]).toBeNull();
  return row?.["generation"];
}

test("C02: 200 concurrent refreshes of one token over two servers rotate it once", {
  timeout: 90_000,
}, async () => {
  await using two = await startTwoServers();
  const { a, b } = two;
  const user = await createUser(a.users);
  const opened = await login(a.web, user.email);

  let shown = opened.refreshToken;
  for (const round of [1, 2, 3]) {
    await advanceClock(two.databaseUrl, pastTheGrace);
    const answers = await Promise.all(
      Array.from({ length: crowd }, (_, index) => refresh((index % 2 === 0 ? a : b).web, shown)),
    );
    expect(await generationOf(two, opened.sessionId)).toBe(round);
    const successors = new Set(answers.map((tokens) => tokens.refreshToken));
    expect(successors.size).toBe(1);
    expect(successors).not.toContain(shown);
    expect(new Set(answers.map((tokens) => tokens.accessToken)).size).toBe(crowd);
    // The session is active: each access token is valid on the other server.
    const active = await Promise.all(
      answers.map(({ accessToken }, index) => isActive((index % 2 === 0 ? b : a).web, accessToken)),
    );
    expect(active).not.toContain(false);
    [shown = ""] = successors;
  }
  // And so does its last refresh token.
  await advanceClock(two.databaseUrl, pastTheGrace);
  expect(await refresh(b.web, shown)).toBeDefined();
  expect(await generationOf(two, opened.sessionId)).toBe(4);
  expect(await two.query("select event from postern.audit where event like 'refresh%'")).toEqual([]);
});
