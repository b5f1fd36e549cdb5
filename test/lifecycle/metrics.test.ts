import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { refusal } from "../support/clients/answers.ts";
import { createUser, login, refresh } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { startRedis } from "../support/redis/redis.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { startTwoServers } from "../support/servers/two-servers.ts";

/** The names in a table of `docs/reference/metrics.md`. */
async function documented(): Promise<string[]> {
  const text = await readFile(`${import.meta.dirname}/../../docs/reference/metrics.md`, "utf8");
  return [...text.matchAll(/^\| `(postern_\w+)` \| (\w+)/gm)].map(([, name = "", type]) =>
    type === "histogram" ? `${name}_count` : name,
  );
}

test("/metrics has the metrics of docs/reference/metrics.md, and each changes with what it counts", {
  timeout: 90_000,
}, async () => {
  await using redis = await startRedis();
  await using two = await startTwoServers({
    POSTERN_REDIS_URL: redis.url,
    POSTERN_LOGIN_LIMITS: "account=2/10m",
  });
  const { a } = two;
  const user = await createUser(a.users);
  const { refreshToken, accessToken } = await login(a.web, user.email);
  await a.web.introspect({ token: accessToken });
  const guess = () =>
    refusal(a.web.login({ identifier: user.email, password: "a guess, and not the only one" }));
  expect([await guess(), await guess(), await guess()]).toEqual([
    "INVALID_CREDENTIALS",
    "INVALID_CREDENTIALS",
    "RATE_LIMITED",
  ]);
  await advanceClock(two.databaseUrl, 60_000);
  await refresh(a.web, refreshToken);
  await advanceClock(two.databaseUrl, 60_000);
  await refusal(a.web.refresh({ refreshToken }));
  await poll("the head was read after the reuse", 10_000, async () =>
    ((await readMetrics(a.server.ops)).get("postern_revocation_log_sequence") ?? 0) > 0 ? true : undefined,
  );

  const metrics = await readMetrics(a.server.ops);
  const names = [...metrics.keys()]
    .map((name) => name.replace(/\{.*/, ""))
    .filter((name) => /^postern_/.test(name));
  const result = new Set(names.filter((name) => !/_(bucket|sum)$/.test(name)));
  expect([...result].sort()).toEqual((await documented()).sort());

  const method = (name: string) => `method="postern.auth.v1.AuthService/${name}"`;
  expect(Object.fromEntries(metrics)).toMatchObject({
    [`postern_rpc_calls_total{${method("Login")},outcome="ok"}`]: 1,
    [`postern_rpc_calls_total{${method("Login")},outcome="INVALID_CREDENTIALS"}`]: 2,
    [`postern_rpc_calls_total{${method("Login")},outcome="RATE_LIMITED"}`]: 1,
    'postern_login_limits_total{budget="account",what="refused"}': 1,
    postern_refresh_reuse_total: 1,
    postern_revocation_log_rewinds_total: 0,
    postern_revocation_log_sequence: 1,
    postern_redis_up: 1,
    'postern_pool_refused_total{pool="postern head"}': 0,
  });
  expect(metrics.get('postern_head_reads_total{outcome="answered"}')).toBeGreaterThan(0);

  await redis.kill9();
  await poll("a command to Redis has failed", 30_000, async () => {
    // Which asks Redis as well.
    await fetch(`${a.server.ops}/readyz`);
    const now = await readMetrics(a.server.ops);
    return now.get("postern_redis_up") === 0 && (now.get("postern_redis_faults_total") ?? 0) > 0
      ? true
      : undefined;
  });
});

test("without Redis nothing is said of it, and no name, address or id is in a label", async () => {
  await using two = await startTwoServers();
  const user = await createUser(two.a.users);
  const { sessionId } = await login(two.a.web, user.email);
  const text = await (await fetch(`${two.a.server.ops}/metrics`)).text();
  expect(text).not.toMatch(/^postern_redis_up/m);
  for (const private_ of [user.email, user.id, sessionId]) expect(text).not.toContain(private_);
});
