import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClients, reasonOf } from "../support/clients/clients.ts";
import { PASSWORD } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { freePort } from "../support/ports.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { startRedis } from "../support/redis/redis.ts";
import { callPostern } from "../support/servers/call-postern.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { runPostern, startPostern } from "../support/servers/postern-command.ts";
import {
  AUDIENCE,
  ISSUER,
  type ServerProcess,
  startServer,
  TOKENS,
} from "../support/servers/server-process.ts";

/** Each with what a URL has to write otherwise. */
const secrets = {
  redis: `r@dis/${randomBytes(9).toString("hex")}`,
  postgres: `p@stgres/${randomBytes(9).toString("hex")}`,
  bootstrap: `b@otstrap/${randomBytes(9).toString("hex")}`,
  masterKey: randomBytes(32).toString("base64"),
};
/** Must not appear in any form that a reader can decode. */
const forms = [...Object.values(secrets), ...Object.values(TOKENS), PASSWORD].flatMap((secret) => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString("base64"),
  JSON.stringify(secret).slice(1, -1),
]);
const redisUser = `postern:${encodeURIComponent(secrets.redis)}@`;

function expectUntold(...texts: readonly string[]): void {
  for (const text of texts) for (const form of forms) expect(text).not.toContain(form);
}

let database: TestDatabase;
/** Of a user of Postgres who has the password. */
let databaseUrl: string;
const role = `untold_${randomBytes(6).toString("hex")}`;
const alterRole = (password: string) =>
  withClient(database.url, (client) => client.query(`alter role ${role} password '${password}'`));

beforeAll(async () => {
  database = await createDatabase();
  await withClient(database.url, (client) => client.query(`create role ${role} superuser login`));
  await alterRole(secrets.postgres);
  const url = new URL(database.url);
  url.username = role;
  url.password = encodeURIComponent(secrets.postgres);
  databaseUrl = url.href;
});
afterAll(async () => {
  if (database === undefined) return;
  const admin = new URL(database.url);
  admin.pathname = "/postgres";
  await database.drop();
  await withClient(admin.href, (client) => client.query(`drop role ${role}`));
});

function start(redisUrl?: string): Promise<ServerProcess> {
  const env = {
    POSTERN_LOG_LEVEL: "trace",
    POSTERN_MASTER_KEY: secrets.masterKey,
    POSTERN_REDIS_URL: redisUrl,
  };
  return startServer({ databaseUrl, env });
}

/** Between two rounds of calls: each hashes a password, and the server has something else to do. */
const restMs = 200;

/** Makes calls of the server until what is waited for has come, and reads all that it says. */
async function expectUntoldBy(
  server: ServerProcess,
  what: string,
  hasCome: () => boolean | Promise<boolean>,
): Promise<void> {
  const client = createClients({ baseUrl: server.http, credential: TOKENS.web });
  const result: string[] = [];
  await poll(what, 20_000, async () => {
    const calls = [
      client.auth.login({ identifier: "nobody@people.test", password: PASSWORD }),
      client.auth.introspect({ token: TOKENS.other }),
    ];
    for (const call of calls)
      result.push(await call.then(JSON.stringify, (error) => `${reasonOf(error)} ${error}`));
    if (await hasCome()) return true;
    await delay(restMs);
    return undefined;
  });
  for (const path of ["/metrics", "/readyz"]) result.push(await (await fetch(`${server.ops}${path}`)).text());
  expectUntold(JSON.stringify(server.logs), ...result);
}

function expectLogged(server: ServerProcess, event: string): Promise<void> {
  return expectUntoldBy(server, `the event ${event}`, () =>
    server.logs.some((line) => line["event"] === event),
  );
}

/** Waits until commands have gone to Redis, and none was carried out. */
function expectDown(server: ServerProcess): Promise<void> {
  return expectUntoldBy(server, "Redis is down", async () => {
    const metrics = await readMetrics(server.ops);
    return (metrics.get("postern_redis_faults_total") ?? 0) > 2 && metrics.get("postern_redis_up") === 0;
  });
}

describe("K05 the messages of a server whose store fails contain no secret", () => {
  test("a Redis that throws keys away, and is then gone", async () => {
    const user = { name: "postern", password: secrets.redis };
    const settings = { maxmemory: "100mb", "maxmemory-policy": "allkeys-lru" };
    await using redis = await startRedis({ user, settings });
    await using server = await start(redis.url);
    await expectLogged(server, "redis_evicts");
    await redis.kill9();
    await expectLogged(server, "redis_down");
  });

  test("a Redis whose password is another", async () => {
    await using redis = await startRedis({ user: { name: "postern", password: "another" } });
    await using server = await start(`redis://${redisUser}127.0.0.1:${redis.port}`);
    await expectDown(server);
    await expectLogged(server, "redis_down");
  });

  test.each(["redis", "rediss", "redis+sentinel", "rediss+cluster"])("no %s there", async (scheme) => {
    const name = scheme.includes("sentinel") ? "/mymaster?sentinel_auth=same" : "";
    await using server = await start(`${scheme}://${redisUser}127.0.0.1:${await freePort()}${name}`);
    await expectDown(server);
  });

  test("a Postgres with a changed password", async () => {
    await using server = await start();
    await alterRole("another");
    try {
      await withClient(database.url, (client) =>
        client.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [role]),
      );
      await expectLogged(server, "store_fault");
    } finally {
      await alterRole(secrets.postgres);
    }
  });
});

describe("K05 nor do commands", () => {
  const settings = {
    POSTERN_ISSUER: ISSUER,
    POSTERN_AUDIENCE: AUDIENCE,
    POSTERN_MASTER_KEY: secrets.masterKey,
    POSTERN_HTTP_ADDR: "127.0.0.1:0",
    POSTERN_GRPC_ADDR: "127.0.0.1:0",
    POSTERN_OPS_ADDR: "127.0.0.1:0",
    POSTERN_BOOTSTRAP_EMAIL: "admin@people.test",
    POSTERN_BOOTSTRAP_PASSWORD: secrets.bootstrap,
    POSTERN_SECRET_TOKENS: JSON.stringify([{ name: "web", token: TOKENS.web, permissions: ["login"] }]),
    POSTERN_LOG_LEVEL: "trace",
  };

  test.each([{ args: ["check-config"] }, { args: ["check-config", "--json"] }])("$args", async ({ args }) => {
    const env = {
      ...settings,
      POSTERN_DATABASE_URL: databaseUrl,
      POSTERN_REDIS_URL: `redis://${redisUser}a.test`,
    };
    const { code, stdout, stderr } = await callPostern(args, env);
    expect(code).toBe(0);
    expect(stdout).toContain("(set)");
    expectUntold(stdout, stderr);
  });

  test("a server that is refused by Postgres", async () => {
    const { code, stdout, stderr } = await runPostern(["serve"], {
      ...settings,
      POSTERN_DATABASE_URL: databaseUrl.replace(role, "postgres"),
    });
    expect(code).toBe(2);
    expect(stderr).toContain("POSTERN_DATABASE_URL");
    expectUntold(stdout, stderr);
  });

  test("a server that waits for Postgres", async () => {
    const deaf = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await once(deaf, "listening");
    try {
      const url = new URL(databaseUrl);
      url.port = String((deaf.address() as { port: number }).port);
      await using running = startPostern(["serve"], { ...settings, POSTERN_DATABASE_URL: url.href });
      await once(deaf, "connection");
      await once(deaf, "connection");
      running.signal("SIGTERM");
      const { stdout, stderr } = await running.ended;
      expect(stderr).toContain("waiting_for_database");
      expectUntold(stdout, stderr);
    } finally {
      deaf.close();
    }
  });

  const malformed: Record<string, string>[] = [
    { POSTERN_REDIS_URL: `redis://postern:${secrets.redis}@a.test` },
    { POSTERN_REDIS_URL: `redis://a.test,${redisUser}b.test` },
    { POSTERN_REDIS_URL: `redis://${redisUser}a.test:0` },
    { POSTERN_DATABASE_URL: `postgres://postern:${secrets.postgres}@db.test/postern` },
    { POSTERN_DATABASE_URL: `mysql://postern:${encodeURIComponent(secrets.postgres)}@db.test/postern` },
    { POSTERN_MASTER_KEY: `${secrets.masterKey}, ${secrets.masterKey.slice(1)}` },
    { POSTERN_BOOTSTRAP_PASSWORD: `${secrets.bootstrap}`.repeat(100) },
    { POSTERN_SECRET_TOKENS: `[{"name":"web","token":"${TOKENS.web}","permissions":["login"]]` },
    { POSTERN_SECRET_TOKENS: JSON.stringify([{ name: TOKENS.web, token: "short", permissions: ["login"] }]) },
  ];
  test.each(malformed)("a faulty setting %#", async (faulty) => {
    const env = { ...settings, POSTERN_DATABASE_URL: databaseUrl, ...faulty };
    const { code, stdout, stderr } = await callPostern(["check-config"], env);
    expect(code).toBe(2);
    expect(stderr).toContain(Object.keys(faulty)[0]);
    expectUntold(stdout, stderr);
  });
});
