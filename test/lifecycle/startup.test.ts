import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { migrate } from "../../services/auth/src/store/postgres/migrate.ts";
import { createClients } from "../support/clients/clients.ts";
import { startTcpProxy } from "../support/faults/tcp-proxy.ts";
import { poll } from "../support/poll.ts";
import { freePort } from "../support/ports.ts";
import { createDatabase, withClient } from "../support/postgres/database.ts";
import { callPostern } from "../support/servers/call-postern.ts";
import { runPostern, serveSettings, startPostern } from "../support/servers/postern-command.ts";
import { type ServerOptions, startServer, TOKENS } from "../support/servers/server-process.ts";

const newMasterKey = () => randomBytes(32).toString("base64");
const admin = {
  POSTERN_BOOTSTRAP_EMAIL: "first@example.com",
  POSTERN_BOOTSTRAP_PASSWORD: "a long enough passphrase",
};
const patient = { timeoutMs: 20_000 };

function rows(url: string, sql: string): Promise<Record<string, unknown>[]> {
  return withClient(url, async (client) => (await client.query(sql)).rows);
}

const keys = "select id, number, purpose, state from postern.keys order by number";
const migrations = "select version, name, applied_at from postern.migrations order by version";

async function publicKeys({ http }: { readonly http: string }): Promise<unknown> {
  return (await fetch(`${http}/.well-known/jwks.json`)).json();
}

async function logIn({ http }: { readonly http: string }) {
  using clients = createClients({ baseUrl: http, credential: TOKENS.web });
  const { POSTERN_BOOTSTRAP_EMAIL: identifier, POSTERN_BOOTSTRAP_PASSWORD: password } = admin;
  const { outcome } = await clients.auth.login({ identifier, password }, patient);
  const { accessToken = "", refreshToken = "" } = outcome.value?.tokens ?? {};
  return { accessToken, refreshToken };
}

async function isActive({ http }: { readonly http: string }, token: string): Promise<boolean> {
  using clients = createClients({ baseUrl: http, credential: TOKENS.web });
  return (await clients.auth.introspect({ token }, patient)).active;
}

/**
 * Starts two servers on a database whose keys are locked until both wait to write one. A server waits for a
 * second, then pauses and tries again: on a loaded machine two may miss each other every time, so this gives up early.
 */
async function startOnLockedKeys(options: ServerOptions) {
  const { databaseUrl } = options;
  return withClient(databaseUrl, async (client) => {
    await client.query("begin");
    // Reads go on, and inserts wait.
    await client.query("lock table postern.keys in share row exclusive mode");
    const both = Promise.allSettled([startServer(options), startServer(options)]);
    const meeting = poll("both make a key", 8_000, async () => {
      // Not on `client`: within a transaction the view stays as it was.
      const waiting = await rows(
        databaseUrl,
        `select 1 from pg_stat_activity where wait_event_type = 'Lock'
         and application_name = 'postern main' and datname = current_database()`,
      );
      return waiting.length >= 2 ? true : undefined;
    });
    const haveMet = await meeting.catch(() => false);
    await client.query("commit");
    return { started: await both, haveMet };
  });
}

describe("an empty database", () => {
  test("O04: two servers that start at once make one key of each purpose and one administrator", async () => {
    await using database = await createDatabase({ migrated: false });
    const options = { databaseUrl: database.url, env: { POSTERN_MASTER_KEY: newMasterKey(), ...admin } };
    const started = await Promise.allSettled([startServer(options), startServer(options)]);
    await using stack = new AsyncDisposableStack();
    const [a, b] = started.map((one) => {
      if (one.status === "rejected") throw one.reason;
      return stack.use(one.value);
    });
    if (!a || !b) throw new Error("two servers were started");

    expect(await rows(database.url, keys)).toEqual([
      expect.objectContaining({ purpose: "signing", state: "active" }),
      expect.objectContaining({ purpose: "refresh", state: "active" }),
    ]);
    expect(await rows(database.url, "select email, roles from postern.users")).toEqual([
      { email: "first@example.com", roles: ["admin"] },
    ]);
    const versions = (await rows(database.url, migrations)).map(({ version }) => version);
    expect(versions).toEqual([...new Set(versions)]);

    expect(await publicKeys(a)).toEqual(await publicKeys(b));
    const { accessToken, refreshToken } = await logIn(a);
    expect(await isActive(b, accessToken)).toBe(true);
    expect(await isActive(b, refreshToken)).toBe(true);
  });

  test("O04: of two servers that have both found no keys, one makes them", { timeout: 240_000 }, async () => {
    await using database = await createDatabase();
    await using stack = new AsyncDisposableStack();
    const options = { databaseUrl: database.url, env: { POSTERN_MASTER_KEY: newMasterKey() } };
    const servers = await poll("two servers make a key at the same time", 200_000, async () => {
      const { started, haveMet } = await startOnLockedKeys(options);
      const running = started.map((one) => {
        if (one.status === "rejected") throw one.reason;
        return one.value;
      });
      if (haveMet) return running.map((server) => stack.use(server));
      await Promise.all(running.map((server) => server.stop()));
      await withClient(database.url, (client) => client.query("delete from postern.keys"));
      return undefined;
    });
    const published = await Promise.all(servers.map(publicKeys));
    expect(published).toEqual([published[0], published[0]]);
    expect((await rows(database.url, keys)).map(({ purpose }) => purpose)).toEqual(["signing", "refresh"]);
  });

  test("is refused with POSTERN_MIGRATE=off, saying what to do, and taken after `postern migrate`", async () => {
    await using database = await createDatabase({ migrated: false });
    const env = serveSettings(database.url, newMasterKey());
    const refused = await runPostern(["serve"], { ...env, POSTERN_MIGRATE: "off" });
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("POSTERN_MIGRATE");
    expect(refused.stderr).toContain("postern migrate");
    expect(await rows(database.url, "select 1 from pg_namespace where nspname = 'postern'")).toEqual([]);

    const migrated = await runPostern(["migrate", "--json"], env);
    expect(migrated).toMatchObject({ code: 0 });
    expect(JSON.parse(migrated.stdout)).toEqual({ schemaVersion: expect.any(Number) });
    await using _ = await startServer({ databaseUrl: database.url, env: { POSTERN_MIGRATE: "off" } });
  });

  test("N10: several migrators at once apply each migration once, and another run changes nothing", async () => {
    await using database = await createDatabase({ migrated: false });
    const versions = await Promise.all(Array.from({ length: 6 }, () => migrate(database.url)));
    const applied = await rows(database.url, migrations);
    expect(applied.map(({ version }) => version)).toEqual(
      Array.from({ length: versions[0] ?? 0 }, (_, index) => index + 1),
    );
    expect(new Set(versions).size).toBe(1);
    expect(await migrate(database.url)).toBe(versions[0]);
    expect(await rows(database.url, migrations)).toEqual(applied);
  });

  test("N10: a migration killed halfway leaves nothing behind, and the next run does it", async () => {
    await using database = await createDatabase({ migrated: false });
    await withClient(database.url, async (client) => {
      await client.query("create schema postern");
      await client.query("begin");
      // Until this one's fate is known the migration cannot make a table of the same name.
      await client.query("create table postern.sessions (x int)");
      await using migrating = startPostern(["migrate"], serveSettings(database.url, newMasterKey()));
      await poll("the migration has reached the table", 20_000, async () => {
        const waiting = await rows(
          database.url,
          `select 1 from pg_stat_activity where application_name = 'postern migrate'
           and wait_event_type = 'Lock' and datname = current_database()`,
        );
        return waiting.length > 0 ? true : undefined;
      });
      migrating.signal("SIGKILL");
      expect(await migrating.ended).toMatchObject({ code: null });
      await client.query("rollback");
    });
    await poll("what was killed is undone", 20_000, async () => {
      const left = await rows(
        database.url,
        "select 1 from pg_stat_activity where application_name = 'postern migrate' and datname = current_database()",
      );
      return left.length === 0 ? true : undefined;
    });
    expect(await rows(database.url, "select 1 from pg_tables where schemaname = 'postern'")).toEqual([]);
    const version = await migrate(database.url);
    expect((await rows(database.url, migrations)).at(-1)).toMatchObject({ version });
  });
});

describe("a database that servers start on one after the other", () => {
  test("O05 J15: a wrong master key is refused by name, and makes no key; the right one together with another is accepted; the first administrator is made once", async () => {
    await using database = await createDatabase();
    const [right, wrong] = [newMasterKey(), newMasterKey()];
    const start = (masterKey: string, email: string) =>
      startServer({
        databaseUrl: database.url,
        env: { POSTERN_MASTER_KEY: masterKey, ...admin, POSTERN_BOOTSTRAP_EMAIL: email },
      });
    const administrators = () => rows(database.url, "select email, roles from postern.users");
    const first = [{ email: admin.POSTERN_BOOTSTRAP_EMAIL, roles: ["admin"] }];
    let tokens: Awaited<ReturnType<typeof logIn>>;
    let published: unknown;
    {
      await using server = await start(right, admin.POSTERN_BOOTSTRAP_EMAIL);
      [tokens, published] = [await logIn(server), await publicKeys(server)];
    }
    const before = await rows(database.url, keys);
    expect(await administrators()).toEqual(first);

    const refused = await runPostern(["serve"], serveSettings(database.url, wrong));
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("POSTERN_MASTER_KEY");
    expect(refused.stderr).not.toContain(wrong);
    expect(await rows(database.url, keys)).toEqual(before);

    for (const [masterKeys, email] of [
      [`${right},${wrong}`, admin.POSTERN_BOOTSTRAP_EMAIL],
      [`${wrong},${right}`, "second@example.com"],
    ] as const) {
      await using server = await start(masterKeys, email);
      expect(await publicKeys(server)).toEqual(published);
      expect(await isActive(server, tokens.accessToken)).toBe(true);
      expect(await isActive(server, tokens.refreshToken)).toBe(true);
      expect(await administrators()).toEqual(first);
    }
    expect(await rows(database.url, keys)).toEqual(before);
  });
});

test("the start exits with code 2 and names the setting if another user has the first administrator's address", async () => {
  await using database = await createDatabase();
  const settings = serveSettings(database.url, newMasterKey());
  const { POSTERN_BOOTSTRAP_EMAIL: email } = admin;
  expect(await callPostern(["user", "create", "--email", email], settings)).toMatchObject({ code: 0 });
  const ended = await runPostern(["serve"], { ...settings, ...admin });
  expect(ended).toMatchObject({ code: 2, stdout: "" });
  expect(ended.stderr).toContain("POSTERN_BOOTSTRAP_EMAIL: ");
  expect(ended.stderr).not.toContain(email);
});

describe("a server that starts while Postgres is away", () => {
  async function startWaiting(fault: "cut" | "hold") {
    await using stack = new AsyncDisposableStack();
    const database = stack.use(await createDatabase({ migrated: false }));
    const { hostname, port } = new URL(database.url);
    const proxy = stack.use(await startTcpProxy({ host: hostname, port: Number(port) }));
    proxy[fault]();
    const [http, ops] = [await freePort(), await freePort()];
    const server = stack.use(
      startPostern(["serve"], {
        ...serveSettings(proxy.through(database.url), newMasterKey()),
        POSTERN_HTTP_ADDR: `127.0.0.1:${http}`,
        POSTERN_OPS_ADDR: `127.0.0.1:${ops}`,
      }),
    );
    const status = async (url: string, init?: RequestInit) => (await fetch(url, init)).status;
    const livez = () => status(`http://127.0.0.1:${ops}/livez`);
    const readyz = () => status(`http://127.0.0.1:${ops}/readyz`);
    const login = () =>
      status(`http://127.0.0.1:${http}/postern.auth.v1.AuthService/Login`, { method: "POST" });
    await poll("the server listens", 20_000, livez);
    const resources = stack.move();
    const dispose = () => resources.disposeAsync();
    return { proxy, server, livez, readyz, login, [Symbol.asyncDispose]: dispose };
  }

  test.each(["cut", "hold"] as const)(
    "(%s) is alive, not ready, and gets ready when it comes",
    async (fault) => {
      await using waiting = await startWaiting(fault);
      expect(await waiting.livez()).toBe(200);
      expect(await waiting.readyz()).toBe(503);
      expect(await waiting.login()).toBe(503);
      waiting.proxy.restore();
      await poll("the server is ready", 25_000, async () =>
        (await waiting.readyz()) === 200 ? true : undefined,
      );
      // Its credential is missing: so the call has come through.
      expect(await waiting.login()).not.toBe(503);
    },
  );

  test.each(["cut", "hold"] as const)("(%s) ends normally on SIGTERM", async (fault) => {
    await using waiting = await startWaiting(fault);
    waiting.server.signal("SIGTERM");
    expect(await waiting.server.ended).toMatchObject({ code: 0, stdout: "" });
  });
});

describe("a configuration that is wrong", () => {
  const good = serveSettings("postgres://nobody@127.0.0.1:1/nothing", newMasterKey());

  test.each<[string, string, Record<string, string>]>([
    ["a bad value", "POSTERN_ACCESS_TTL", { POSTERN_ACCESS_TTL: "soon" }],
    ["an unknown name", "POSTERN_ACESS_TTL", { POSTERN_ACESS_TTL: "5m" }],
    ["both forms of one name", "POSTERN_AUDIENCE", { POSTERN_AUDIENCE_FILE: "/dev/null" }],
    ["a master key that is too short", "POSTERN_MASTER_KEY", { POSTERN_MASTER_KEY: "c2hvcnQ=" }],
    ["plain http for the issuer", "POSTERN_ISSUER", { POSTERN_ISSUER: "http://postern.test" }],
    ["plain text beyond loopback", "POSTERN_PLAINTEXT", { POSTERN_HTTP_ADDR: "0.0.0.0:0" }],
    [
      "an invalid address of the first administrator",
      "POSTERN_BOOTSTRAP_EMAIL",
      { ...admin, POSTERN_BOOTSTRAP_EMAIL: "root@postern" },
    ],
    [
      "a common password",
      "POSTERN_BOOTSTRAP_PASSWORD",
      { ...admin, POSTERN_BOOTSTRAP_PASSWORD: "password123456" },
    ],
    [
      "two listeners with the same port",
      "POSTERN_OPS_ADDR",
      { POSTERN_HTTP_ADDR: "127.0.0.1:7", POSTERN_OPS_ADDR: "127.0.0.1:7" },
    ],
    ["half an administrator", "POSTERN_BOOTSTRAP_PASSWORD", { POSTERN_BOOTSTRAP_EMAIL: "a@example.com" }],
  ])("`serve` and `check-config` exit with code 2 and name the setting: %s", async (_, name, env) => {
    for (const command of ["serve", "check-config"]) {
      const ended = await callPostern([command], { ...good, ...env });
      expect(ended).toMatchObject({ code: 2, stdout: "" });
      expect(ended.stderr).toContain(name);
    }
  });

  test("a listener's host that has no address is reported with the settings that may contain it", async () => {
    const env = { ...good, POSTERN_PLAINTEXT: "mesh", POSTERN_HTTP_ADDR: "no-such-host.invalid:0" };
    const ended = await runPostern(["serve"], env);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toContain("POSTERN_HTTP_ADDR");
    expect(ended.stderr).not.toContain("unexpected");
  });

  test.each(["POSTERN_DATABASE_URL", "POSTERN_MASTER_KEY", "POSTERN_ISSUER"])("lacks %s", async (name) => {
    const { [name as keyof typeof good]: _, ...env } = good;
    const ended = await callPostern(["serve"], env);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain(name);
  });
});
