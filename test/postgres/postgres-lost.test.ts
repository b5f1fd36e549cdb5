import { randomBytes, randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clients, createClients, reasonOf } from "../support/clients/clients.ts";
import { startTcpProxy, type TcpProxy } from "../support/faults/tcp-proxy.ts";
import { poll } from "../support/poll.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { withClient } from "../support/postgres/database.ts";
import { type PostgresServer, startPostgres } from "../support/postgres/postgres.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const maxConnections = 30;
const password = "a long enough passphrase";
/** Only separates calls that hang from calls that are answered. */
const inTime = { timeoutMs: 5_000 };
/** For what must answer while nothing is broken. */
const patient = { timeoutMs: 20_000 };

let postgres: PostgresServer;

beforeAll(async () => {
  postgres = await startPostgres({ durable: true, maxConnections });
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

/** A server with a proxy in front of Postgres, and its own user. */
interface Site extends AsyncDisposable {
  readonly server: ServerProcess;
  readonly proxy: TcpProxy;
  /** Of its database, past the proxy. */
  readonly databaseUrl: string;
  readonly admin: Clients;
  readonly web: Clients;
  readonly email: string;
}

async function openSite(env: Readonly<Record<string, string>> = {}): Promise<Site> {
  const name = `site_${randomBytes(6).toString("hex")}`;
  await withClient(postgres.url, (client) => client.query(`create database ${name}`));
  const databaseUrl = Object.assign(new URL(postgres.url), { pathname: `/${name}` });
  const proxy = await startTcpProxy({ host: databaseUrl.hostname, port: Number(databaseUrl.port) });
  const server = await startServer({ databaseUrl: proxy.through(databaseUrl.href), env });
  const admin = createClients({ baseUrl: server.http, credential: TOKENS.admin });
  const web = createClients({ baseUrl: server.http, credential: TOKENS.web });
  const email = "user@example.com";
  await admin.admin.createUser({ email, password }, patient);
  return {
    server,
    proxy,
    databaseUrl: databaseUrl.href,
    admin,
    web,
    email,
    async [Symbol.asyncDispose]() {
      admin[Symbol.dispose]();
      web[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      await proxy.close();
    },
  };
}

interface Login {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
}

async function login({ web, email }: Site): Promise<Login> {
  const { outcome } = await web.auth.login({ identifier: email, password }, patient);
  const { tokens, session } = outcome.value ?? {};
  if (!tokens || !session) throw new Error("no user was logged in");
  return { ...tokens, sessionId: session.id };
}

async function isActive({ web }: Site, token: string): Promise<boolean> {
  return (await web.auth.introspect({ token }, patient)).active;
}

/** The calls that need Postgres; what `spare` ends is no loss if it turns out to have been done. */
function callsOf({ web, admin, email }: Site, kept: Login, spare: Login) {
  return {
    Login: () => web.auth.login({ identifier: email, password }, inTime),
    Refresh: () => web.auth.refresh({ refreshToken: kept.refreshToken }, inTime),
    "Introspect of an access token": () => web.auth.introspect({ token: kept.accessToken }, inTime),
    "Introspect of a refresh token": () => web.auth.introspect({ token: kept.refreshToken }, inTime),
    "Revoke of a token": () =>
      web.auth.revoke({ target: { case: "token", value: spare.accessToken } }, inTime),
    "Revoke of a session": () =>
      web.auth.revoke({ target: { case: "sessionId", value: spare.sessionId } }, inTime),
    CreateUser: () => admin.admin.createUser({ email: `${randomUUID()}@example.com`, password }, inTime),
  };
}

/** What a call came to, with all that an answer of `UNAVAILABLE` has to carry. */
async function outcomeOf(call: () => Promise<unknown>) {
  try {
    return { answered: await call() };
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const wait = error.findDetails(ErrorDetailSchema)[0]?.retryAfter;
    return {
      code: Code[error.code],
      reason: reasonOf(error),
      saysWhen: wait !== undefined && (wait.seconds > 0n || wait.nanos > 0),
      retryAfter: error.metadata.get("retry-after"),
    };
  }
}

const unavailable = {
  code: "Unavailable",
  reason: "UNAVAILABLE",
  saysWhen: true,
  retryAfter: expect.stringMatching(/^[1-9]\d*$/),
};

async function expectLost(site: Site, kept: Login, spare: Login): Promise<void> {
  const calls = Object.entries(callsOf(site, kept, spare));
  const outcomes = await Promise.all(calls.map(async ([name, call]) => [name, await outcomeOf(call)]));
  expect(Object.fromEntries(outcomes)).toEqual(
    Object.fromEntries(calls.map(([name]) => [name, unavailable])),
  );
  const [livez, readyz, jwks] = await Promise.all([
    fetch(`${site.server.ops}/livez`),
    fetch(`${site.server.ops}/readyz`),
    fetch(`${site.server.http}/.well-known/jwks.json`),
  ]);
  expect(livez.status).toBe(200);
  expect(readyz.status).toBe(200);
  expect(await readyz.json()).toMatchObject({ stores: { postgres: "down" } });
  expect(jwks.status).toBe(200);
  expect(await jwks.json()).toMatchObject({ keys: [{ alg: "ES256" }] });
}

/** Waits for the server to find its way back, by a call that changes nothing. */
async function untilBack({ server }: Site): Promise<void> {
  await poll("the server has its Postgres back", 45_000, async () => {
    const { stores } = (await (await fetch(`${server.ops}/readyz`)).json()) as {
      stores: { postgres: string };
    };
    return stores.postgres === "up" ? true : undefined;
  });
}

async function expectAllWell(site: Site, kept: Login, spare: Login): Promise<void> {
  await untilBack(site);
  expect(await isActive(site, kept.accessToken)).toBe(true);
  expect(await isActive(site, kept.refreshToken)).toBe(true);
  const { tokens } = await site.web.auth.refresh({ refreshToken: kept.refreshToken }, patient);
  expect(await isActive(site, tokens?.accessToken ?? "")).toBe(true);
  expect(await isActive(site, tokens?.refreshToken ?? "")).toBe(true);
  // Whether or not the first try was carried out.
  await site.web.auth.revoke({ target: { case: "sessionId", value: spare.sessionId } }, patient);
  expect(await isActive(site, spare.accessToken)).toBe(false);
  expect(await isActive(site, (await login(site)).accessToken)).toBe(true);
}

/** Leaves the server without a connection, and with no chance of another. Returns what ends that. */
async function takeAllConnections(): Promise<() => Promise<void>> {
  const taken: Client[] = [];
  async function takeUntilFull(): Promise<void> {
    for (;;) {
      const client = new Client({ connectionString: postgres.url });
      client.on("error", () => {});
      try {
        await client.connect();
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "53300") return;
        throw error;
      }
      taken.push(client);
    }
  }
  await takeUntilFull();
  const others = `select count(pg_terminate_backend(pid))::int as ended from pg_stat_activity
    where backend_type = 'client backend' and application_name like 'postern%'`;
  await poll("the server has no connection left", 10_000, async () => {
    const ended: number = (await taken[0]?.query(others))?.rows[0].ended;
    await takeUntilFull();
    return ended === 0 ? true : undefined;
  });
  return async () => {
    await Promise.all(taken.map((client) => client.end()));
  };
}

const faults = {
  killed: async () => {
    await postgres.kill9();
    return () => postgres.restart();
  },
  frozen: async () => {
    await postgres.freeze();
    return () => postgres.thaw();
  },
  "out of connections": takeAllConnections,
  "cut off": async ({ proxy }: Site) => {
    proxy.cut();
    return async () => proxy.restore();
  },
  "behind a black hole": async ({ proxy }: Site) => {
    proxy.hold();
    return async () => proxy.restore();
  },
};

describe("J04 J06 N01: with Postgres", () => {
  test.each(Object.entries(faults))(
    "%s, every call is UNAVAILABLE, and nothing is lost by it",
    async (_, lose) => {
      await using site = await openSite();
      const [kept, spare] = [await login(site), await login(site)];
      const bringBack = await lose(site);
      try {
        await expectLost(site, kept, spare);
      } finally {
        await bringBack();
      }
      await expectAllWell(site, kept, spare);
    },
    600_000,
  );

  test("killed, no refresh token is spent, also without a grace", async () => {
    await using site = await openSite({ POSTERN_REFRESH_GRACE: "0s" });
    const { refreshToken } = await login(site);
    await postgres.kill9();
    try {
      expect(await outcomeOf(() => site.web.auth.refresh({ refreshToken }, inTime))).toEqual(unavailable);
    } finally {
      await postgres.restart();
    }
    await untilBack(site);
    const { tokens } = await site.web.auth.refresh({ refreshToken }, patient);
    expect(tokens?.refreshToken).not.toBe(refreshToken);
    expect(await isActive(site, tokens?.accessToken ?? "")).toBe(true);
    // The grace is really off: what has been spent is spent.
    const again = await outcomeOf(() => site.web.auth.refresh({ refreshToken }, patient));
    expect(again).toMatchObject({ reason: "REFRESH_TOKEN_REUSED" });
  });

  test("killed, Introspect answers from memory where that is allowed, and only it does", async () => {
    await using site = await openSite({ POSTERN_INTROSPECT_STALENESS: "30s" });
    const [kept, revoked] = [await login(site), await login(site)];
    await site.web.auth.revoke({ target: { case: "sessionId", value: revoked.sessionId } }, patient);
    expect(await isActive(site, revoked.accessToken)).toBe(false);
    await postgres.kill9();
    try {
      expect(
        await outcomeOf(() => site.web.auth.introspect({ token: kept.accessToken }, inTime)),
      ).toMatchObject({
        answered: { active: true, sessionId: kept.sessionId },
      });
      expect(
        await outcomeOf(() => site.web.auth.introspect({ token: revoked.accessToken }, inTime)),
      ).toMatchObject({ answered: { active: false } });
      const refresh = () => site.web.auth.refresh({ refreshToken: kept.refreshToken }, inTime);
      expect(await outcomeOf(refresh)).toEqual(unavailable);
    } finally {
      await postgres.restart();
    }
  });
});

describe("N02: a Refresh that Postgres has carried out, and whose answer is lost,", () => {
  test.each([
    { title: "may be tried again within the grace", grace: "30s", requestId: "" },
    {
      title: "can be retried with its request_id without a grace",
      grace: "0s",
      requestId: "r-1",
    },
  ])("$title", async ({ grace, requestId }) => {
    await using site = await openSite({ POSTERN_REFRESH_GRACE: grace });
    const { refreshToken, sessionId } = await login(site);
    const generation = () =>
      withClient(site.databaseUrl, async (client) => {
        const { rows } = await client.query("select generation::int from postern.sessions");
        return rows[0].generation as number;
      });
    const before = await generation();
    // A token younger than the grace is returned unchanged.
    await advanceClock(site.databaseUrl, 60_000);
    const refresh = (options: typeof inTime) => site.web.auth.refresh({ refreshToken, requestId }, options);

    // On a connection that is there: a new one would not be in time.
    expect(await isActive(site, refreshToken)).toBe(true);
    site.proxy.delay(1_500);
    expect(await outcomeOf(() => refresh(inTime))).toEqual(unavailable);
    await poll("Postgres has rotated the session", 20_000, async () =>
      (await generation()) > before ? true : undefined,
    );
    site.proxy.cut();
    site.proxy.restore();

    await untilBack(site);
    const { tokens } = await refresh(patient);
    expect(tokens?.refreshToken).not.toBe(refreshToken);
    expect(await site.web.auth.introspect({ token: tokens?.accessToken ?? "" }, patient)).toMatchObject({
      active: true,
      sessionId,
    });
    expect(await generation()).toBe(before + 1);
  });
});

describe("a server that is stopped", () => {
  test.each(["frozen", "behind a black hole"] as const)(
    "ends in good order with Postgres %s and statements under way",
    async (fault) => {
      await using site = await openSite();
      const [kept, spare] = [await login(site), await login(site)];
      const bringBack = await faults[fault](site);
      try {
        await Promise.all(Object.values(callsOf(site, kept, spare)).map(outcomeOf));
        expect(await site.server.stop()).toBe(0);
      } finally {
        await bringBack();
      }
    },
    // Orchestrators kill what has not ended after 30 s.
    25_000,
  );
});
