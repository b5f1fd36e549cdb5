import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { refusal } from "../support/clients/answers.ts";
import { createUser, isActive, login, refresh } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { keepState, reconnected } from "../support/servers/kept-state.ts";
import { AUDIENCE, ISSUER } from "../support/servers/server-process.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const binary = `${import.meta.dirname}/../../services/auth/bin/postern.js`;
const run = promisify(execFile);

async function rewindsOf({ server }: Replica): Promise<number> {
  const text = await (await fetch(`${server.ops}/metrics`)).text();
  const [, value] = /^postern_revocation_log_rewinds_total (\d+)$/m.exec(text) ?? [];
  return Number(value);
}

function rewindsLogged({ server }: Replica): unknown[] {
  return server.logs.filter((line) => line["event"] === "log_rewound");
}

async function rewindsAudited({ query }: TwoServers, count: number): Promise<void> {
  await poll(`${count} audit events`, 20_000, async () => {
    const rows = await query("select from postern.audit where event = 'log_rewound'");
    return rows.length === count ? true : undefined;
  });
}

/** Runs `postern recover`, as an operator does after a restore. */
async function recover({ databaseUrl, env }: TwoServers): Promise<number> {
  const { stdout } = await run(process.execPath, [binary, "recover", "--json"], {
    env: {
      PATH: process.env["PATH"],
      POSTERN_DATABASE_URL: databaseUrl,
      POSTERN_ISSUER: ISSUER,
      POSTERN_AUDIENCE: AUDIENCE,
      ...env,
    },
  });
  return JSON.parse(stdout).sequence;
}

function revOf(accessToken: string): number {
  return JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString()).rev;
}

test("a database put back under running servers is noticed, reloaded and audited; after `recover` nothing issued before is accepted", {
  timeout: 90_000,
}, async () => {
  await using two = await startTwoServers({ POSTERN_ACCESS_TTL: "1h" });
  const { a, b } = two;
  const user = await createUser(a.users);
  const kept = await login(a.web, user.email);
  const revoked = await login(a.web, user.email);
  const ended = await login(b.web, user.email);
  await b.web.revoke({ target: { case: "sessionId", value: ended.sessionId } });
  await using state = await keepState(two);
  await Promise.all([a, b].map(reconnected));

  // What the database will have lost: a revocation, and sessions that were authenticated after it.
  await a.web.revoke({ target: { case: "sessionId", value: revoked.sessionId } });
  await a.admin.revoke({ target: { case: "clientId", value: "unused" } });
  const lost = await login(b.web, user.email);
  expect(revOf(lost.accessToken)).toBeGreaterThan(revOf(ended.accessToken));
  for (const server of [a, b]) {
    expect(await isActive(server.web, kept.accessToken)).toBe(true);
    expect(await isActive(server.web, lost.accessToken)).toBe(true);
    expect(await isActive(server.web, revoked.accessToken)).toBe(false);
    expect(await rewindsOf(server)).toBe(0);
  }

  await state.putBack();
  await Promise.all([a, b].map(reconnected));
  for (const server of [a, b]) {
    // Of a log number that the log has not reached: such a token is taken for none.
    expect(await isActive(server.web, lost.accessToken)).toBe(false);
    expect(await refusal(refresh(server.web, lost.refreshToken))).toBe("INVALID_REFRESH_TOKEN");
    // Reloaded: the server knows what the database knows, and has forgotten what it does not.
    expect(await isActive(server.web, ended.accessToken)).toBe(false);
    expect(await isActive(server.web, revoked.accessToken)).toBe(true);
    expect(rewindsLogged(server)).toHaveLength(1);
    expect(await rewindsOf(server)).toBe(1);
  }
  await rewindsAudited(two, 2);

  const sequence = await recover(two);
  expect(sequence).toBeGreaterThan(revOf(lost.accessToken));
  for (const server of [a, b]) {
    for (const { accessToken, refreshToken } of [kept, revoked, ended, lost]) {
      expect(await isActive(server.web, accessToken)).toBe(false);
      expect(await isActive(server.web, refreshToken)).toBe(false);
      expect(await refusal(refresh(server.web, refreshToken))).toMatch(
        /^(SESSION_ENDED|INVALID_REFRESH_TOKEN)$/,
      );
    }
  }
  const audited = await two.query("select from postern.audit where event = 'recovered'");
  expect(audited).toHaveLength(1);

  const fresh = await login(a.web, user.email);
  expect(revOf(fresh.accessToken)).toBe(sequence);
  for (const server of [a, b]) {
    expect(await isActive(server.web, fresh.accessToken)).toBe(true);
    expect(await isActive(server.web, (await refresh(server.web, fresh.refreshToken)).accessToken)).toBe(
      true,
    );
  }
  // A `recover` is no rewind.
  expect(await Promise.all([a, b].map(rewindsOf))).toEqual([1, 1]);
});

test("a log that has grown past the lost one by the time a server looks is noticed all the same", {
  timeout: 90_000,
}, async () => {
  await using two = await startTwoServers({ POSTERN_ACCESS_TTL: "1h" });
  const { a, b } = two;
  const user = await createUser(a.users);
  await using state = await keepState(two);
  await Promise.all([a, b].map(reconnected));
  const endClient = () => a.admin.revoke({ target: { case: "clientId", value: "unused" } });
  const numbersLost = [await endClient(), await endClient()].map(({ sequence }) => sequence);
  // Of the lost history, and with a number that the new one will reach as well.
  const lost = await login(a.web, user.email);
  for (const server of [a, b]) expect(await isActive(server.web, lost.accessToken)).toBe(true);

  await state.putBack();
  await Promise.all([a, b].map(reconnected));
  const kept = await login(a.web, user.email);
  await a.web.revoke({ target: { case: "sessionId", value: kept.sessionId } });
  const { sequence: equal } = await endClient();
  expect(equal).toBe(numbersLost.at(-1));
  // `a` meets a head with the number it knows and another entry behind it, `b` one with a higher number.
  expect(await isActive(a.web, kept.accessToken)).toBe(false);
  expect(await rewindsOf(a)).toBe(1);
  await endClient();
  expect(await rewindsOf(b)).toBe(0);
  expect(await isActive(b.web, kept.accessToken)).toBe(false);
  expect(await rewindsOf(b)).toBe(1);
  await rewindsAudited(two, 2);

  await recover(two);
  for (const server of [a, b]) {
    for (const { accessToken, refreshToken } of [lost, kept]) {
      expect(await isActive(server.web, accessToken)).toBe(false);
      expect(await refusal(refresh(server.web, refreshToken))).toMatch(
        /^(SESSION_ENDED|INVALID_REFRESH_TOKEN)$/,
      );
    }
    expect(await isActive(server.web, (await login(server.web, user.email)).accessToken)).toBe(true);
  }
});
