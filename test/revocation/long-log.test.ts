import { expect, test } from "vitest";
import { createUser, isActive, login } from "../support/people/people.ts";
import { appendLivingEntries } from "../support/postgres/living-entries.ts";
import { scaled } from "../support/run/scale.ts";
import { startTwoServers } from "../support/servers/two-servers.ts";

/** More entries than one statement can return within the time of a call, and several pages of them. */
const entries = scaled(120_000, { atLeast: 24_000 });

test("a log of very many entries is read, by replicas that are far behind and by those that start", {
  timeout: 120_000,
}, async () => {
  await using two = await startTwoServers();
  const user = await createUser(two.a.users);
  const [first, living, last] = [
    await login(two.a.web, user.email),
    await login(two.a.web, user.email),
    await login(two.a.web, user.email),
  ];
  await two.a.web.revoke({ target: { case: "token", value: first.accessToken } });
  await two.query(appendLivingEntries, [entries]);
  await two.a.web.revoke({ target: { case: "token", value: last.refreshToken } });
  for (const restart of [async () => {}, two.restart]) {
    await restart();
    for (const replica of [two.a, two.b]) {
      expect(await isActive(replica.web, living.accessToken)).toBe(true);
      for (const { accessToken } of [first, last])
        expect(await isActive(replica.web, accessToken)).toBe(false);
    }
  }
});
