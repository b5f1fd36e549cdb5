import { expect, test } from "vitest";
import { createUser, each, isActive, login, refresh, startTwoServers } from "./two-servers.ts";

const count = 10_000;
const atOnce = 64;

test("10,000 access tokens, each revoked on one server and then introspected on the other: none is active", {
  timeout: 240_000,
}, async () => {
  await using two = await startTwoServers({
    POSTERN_ACCESS_TTL: "1h",
    POSTERN_REFRESH_GRACE: "30m",
  });
  const { a, b } = two;
  const user = await createUser(a);
  const { refreshToken } = await login(a, user.email);
  // Each answer within the grace has an access token of its own.
  const tokens = await each(Array.from({ length: count }), atOnce, async (_, index) => {
    const answer = await refresh(index % 2 === 0 ? a : b, refreshToken);
    return answer.accessToken;
  });
  expect(new Set(tokens).size).toBe(count);

  const active = { before: 0, after: 0 };
  await each(tokens, atOnce, async (token, index) => {
    const [one, other] = index % 2 === 0 ? [a, b] : [b, a];
    if (await isActive(other, token)) active.before += 1;
    await one.web.revoke({ target: { case: "token", value: token } });
    if (await isActive(other, token)) active.after += 1;
  });

  expect(active).toEqual({ before: count, after: 0 });
  const [entries] = await two.query("select count(*)::int as count from postern.revocations");
  expect(entries).toEqual({ count });
  // The session goes on: only its access tokens were revoked.
  expect(await isActive(b, (await refresh(a, refreshToken)).accessToken)).toBe(true);
});
