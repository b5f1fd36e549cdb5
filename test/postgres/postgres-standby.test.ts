import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import { answered } from "../support/clients/answers.ts";
import { startTcpProxy } from "../support/faults/tcp-proxy.ts";
import { login } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { freePort } from "../support/ports.ts";
import { withClient } from "../support/postgres/database.ts";
import {
  allOf,
  callsFor,
  inTime,
  namesOf,
  openSession,
  openSite,
  outcomeOf,
  outcomesOf,
  type Site,
} from "../support/postgres/postgres-site.ts";
import {
  hasLocalPostgres,
  type Replication,
  startReplication,
} from "../support/postgres/postgres-standby.ts";
import { runPostern, serveSettings, startPostern } from "../support/servers/postern-command.ts";

const isLocal = await hasLocalPostgres();
const masterKey = randomBytes(32).toString("base64");

let replication: Replication;

beforeAll(async () => {
  if (isLocal) replication = await startReplication();
}, 600_000);
afterAll(() => replication?.[Symbol.asyncDispose]());

/** A way to the primary that leads to the standby from `turn` on. */
async function openWay() {
  const addresses = [replication.primaryUrl, replication.standbyUrl].map((url) => new URL(url));
  // The proxy reads it for each connection.
  const target = { host: "127.0.0.1", port: Number(addresses[0]?.port) };
  const proxy = await startTcpProxy(target);
  return {
    url: proxy.through(replication.standbyUrl),
    turn(to: "primary" | "standby") {
      proxy.cut();
      target.port = Number(addresses[to === "primary" ? 0 : 1]?.port);
      proxy.restore();
    },
    [Symbol.asyncDispose]: () => proxy.close(),
  };
}

function onStandby(sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
  return withClient(replication.standbyUrl, async (client) => (await client.query(sql, [...values])).rows);
}

async function isActive({ web }: Site, token: string): Promise<boolean> {
  return (await answered(() => web.auth.introspect({ token }, inTime))).active;
}

describe.skipIf(!isLocal)("N04: a standby", { timeout: 90_000 }, () => {
  test("that lags is believed by no call of a server whose connections lead to it", async () => {
    await using way = await openWay();
    await using site = await openSite(way.url, { POSTERN_MASTER_KEY: masterKey });
    await replication.connect();
    const [living, dead] = [await openSession(site), await openSession(site)];
    await replication.caughtUp();
    replication.cutOff();
    // What the standby does not know: the end of a session, and a user.
    await site.web.auth.revoke({ target: { case: "sessionId", value: dead.sessionId } });
    const outsider = await openSession(site);
    expect(await isActive(site, dead.accessToken)).toBe(false);
    const id = parseId("ses", dead.sessionId);
    expect(await onStandby("select ended_at from postern.sessions where id = $1", [id])).toEqual([
      { ended_at: null },
    ]);

    way.turn("standby");
    for (const session of [living, dead, outsider]) {
      const calls = callsFor(site, session);
      const names = namesOf(calls).filter((name) => session !== outsider || name !== "SetPassword");
      // Once more: the first may have failed by the connections that broke.
      await outcomesOf(calls, names);
      expect(await outcomesOf(calls, names)).toEqual(allOf(names, "UNAVAILABLE"));
    }
    expect(JSON.stringify(site.server.logs)).toContain("the database is a standby");
    const jwks = await fetch(`${site.server.http}/.well-known/jwks.json`);
    expect(jwks.status).toBe(200);

    way.turn("primary");
    expect(await isActive(site, living.accessToken)).toBe(true);
    expect(await isActive(site, living.refreshToken)).toBe(true);
    expect(await isActive(site, outsider.refreshToken)).toBe(true);
    expect(await isActive(site, dead.accessToken)).toBe(false);
    expect(await isActive(site, dead.refreshToken)).toBe(false);
    const { tokens } = await answered(() => site.web.auth.refresh({ refreshToken: living.refreshToken }));
    expect(await isActive(site, tokens?.accessToken ?? "")).toBe(true);
  });

  test("that lags does not report an existing user as unknown", async () => {
    await using way = await openWay();
    await using site = await openSite(way.url, { POSTERN_MASTER_KEY: masterKey });
    await replication.connect();
    replication.cutOff();
    const { SetPassword: setPassword } = callsFor(site, await openSession(site));
    way.turn("standby");
    await outcomeOf(setPassword);
    expect(await outcomeOf(setPassword)).toBe("UNAVAILABLE");
  });

  test("N11: that missed commits is no database to start on; promoted, it is noticed, and after `recover` nothing issued before is accepted", async () => {
    await using way = await openWay();
    await using site = await openSite(way.url, { POSTERN_MASTER_KEY: masterKey });
    await replication.connect();
    const [kept, revoked] = [await openSession(site), await openSession(site)];
    await replication.caughtUp();
    const ops = await freePort();
    await using wire = await startTcpProxy({
      host: "127.0.0.1",
      port: Number(new URL(replication.standbyUrl).port),
    });
    const env = serveSettings(wire.through(replication.standbyUrl), masterKey, `127.0.0.1:${ops}`);
    await using waiting = startPostern(["serve"], env);
    const isReady = async () => (await fetch(`http://127.0.0.1:${ops}/readyz`)).ok;
    await poll("it has come again, so the standby was none", 20_000, async () =>
      wire.taken > 2 ? true : undefined,
    );
    expect(await isReady()).toBe(false);

    replication.cutOff();
    // What the standby will have missed: a revocation, and a session of a log number above its own.
    await site.web.auth.revoke({ target: { case: "sessionId", value: revoked.sessionId } });
    const lost = await openSession(site);
    expect(await isActive(site, revoked.accessToken)).toBe(false);
    expect(await isActive(site, lost.accessToken)).toBe(true);
    expect(await rewindsOf(site)).toBe(0);
    await replication.promote();
    way.turn("standby");

    await poll("the waiting server is ready", 20_000, async () => ((await isReady()) ? true : undefined));
    expect(await isActive(site, lost.accessToken)).toBe(false);
    expect(await isActive(site, kept.accessToken)).toBe(true);
    expect(await isActive(site, revoked.accessToken)).toBe(true);
    expect(await rewindsOf(site)).toBe(1);

    expect(await runPostern(["recover"], env)).toMatchObject({ code: 0 });
    for (const { accessToken, refreshToken } of [kept, revoked, lost]) {
      expect(await isActive(site, accessToken)).toBe(false);
      expect(await isActive(site, refreshToken)).toBe(false);
      const refreshed = outcomeOf(() => answered(() => site.web.auth.refresh({ refreshToken }, inTime)));
      expect(await refreshed).toMatch(/^(SESSION_ENDED|INVALID_REFRESH_TOKEN)$/);
    }
    const fresh = await login(site.web.auth, kept.email);
    expect(await isActive(site, fresh.accessToken)).toBe(true);
    waiting.signal("SIGTERM");
    expect(await waiting.ended).toMatchObject({ code: 0 });
  });
});

async function rewindsOf({ server }: Site): Promise<number> {
  const text = await (await fetch(`${server.ops}/metrics`)).text();
  return Number(/^postern_revocation_log_rewinds_total (\d+)$/m.exec(text)?.[1]);
}
