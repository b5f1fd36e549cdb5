import { expect, test } from "vitest";
import { answered } from "../support/clients/answers.ts";
import { each } from "../support/each.ts";
import { createUser, isActive, refresh } from "../support/people/people.ts";
import { openSessionSource } from "../support/people/session-source.ts";
import { scaled } from "../support/run/scale.ts";
import { startTwoServers } from "../support/servers/two-servers.ts";

const count = scaled(10_000, { atLeast: 1_000 });
const atOnce = 100;

test("no access token is active on one server after it was revoked on the other", {
  timeout: 240_000,
}, async () => {
  await using two = await startTwoServers();
  const { a, b } = two;
  await using source = await openSessionSource(two);
  const session = await source.open((await createUser(a.users)).id);
  const tokens = await Promise.all(Array.from({ length: count }, () => session.mint()));
  expect(new Set(tokens).size).toBe(count);

  let activeBefore = 0;
  let activeAfter = 0;
  await each(tokens, atOnce, async (token, index) => {
    const [one, other] = index % 2 === 0 ? [a, b] : [b, a];
    if (index % 10 === 0 && (await isActive(other.web, token))) activeBefore += 1;
    await answered(() => one.web.revoke({ target: { case: "token", value: token } }));
    if (await isActive(other.web, token)) activeAfter += 1;
  });

  expect(activeAfter).toBe(0);
  // Every tenth was asked after before its revocation as well.
  expect(activeBefore).toBe(count / 10);
  const [entries] = await two.query("select count(*)::int as count from postern.revocations");
  expect(entries).toEqual({ count });
  // The session goes on: only access tokens of it were revoked.
  expect(await isActive(b.web, await session.mint())).toBe(true);
  expect(await isActive(b.web, (await refresh(a.web, session.refreshToken)).accessToken)).toBe(true);
});
