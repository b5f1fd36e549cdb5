import { randomBytes } from "node:crypto";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answered, refusal } from "../support/clients/answers.ts";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { createUser, login, PASSWORD } from "../support/people/people.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import {
  AUDIENCE,
  ISSUER,
  type ServerProcess,
  startServer,
  TOKENS,
} from "../support/servers/server-process.ts";

const minute = 60_000;
const preload = `${import.meta.dirname}/../support/faults/shifted-clock.ts`;
const offsets = { "in time": 0, "10 minutes ahead": 10 * minute, "10 minutes behind": -10 * minute } as const;

type Name = keyof typeof offsets;
const names = Object.keys(offsets) as Name[];

interface Replica {
  readonly server: ServerProcess;
  readonly admin: Clients;
  readonly web: Clients;
}

let database: TestDatabase;
const replicas = new Map<Name, Replica>();

beforeAll(async () => {
  database = await createDatabase();
  const masterKey = randomBytes(32).toString("base64");
  for (const name of names) {
    const env = { POSTERN_MASTER_KEY: masterKey, TEST_CLOCK_OFFSET_MS: String(offsets[name]) };
    const server = await startServer({ databaseUrl: database.url, env, preload });
    const as = (credential: string) => createClients({ baseUrl: server.grpc, protocol: "grpc", credential });
    replicas.set(name, { server, admin: as(TOKENS.admin), web: as(TOKENS.web) });
  }
});
afterAll(async () => {
  for (const { server, admin, web } of replicas.values()) {
    admin[Symbol.dispose]();
    web[Symbol.dispose]();
    await server.stop();
  }
  await database?.drop();
});

function at(name: Name): Replica {
  const found = replicas.get(name);
  if (found === undefined) throw new Error(`no replica is ${name}`);
  return found;
}

async function isActive(name: Name, token: string): Promise<boolean> {
  return (await answered(() => at(name).web.auth.introspect({ token }))).active;
}

async function refresh(name: Name, refreshToken: string) {
  const { tokens } = await answered(() => at(name).web.auth.refresh({ refreshToken }));
  if (tokens === undefined) throw new Error("the refresh has no tokens");
  return tokens;
}

/** Verifies as a service does whose clock is right. */
async function verify(name: Name, token: string): Promise<void> {
  const keys = createRemoteJWKSet(new URL(`${at(name).server.http}/.well-known/jwks.json`));
  await jwtVerify(token, keys, {
    issuer: ISSUER,
    audience: AUDIENCE,
    typ: "at+jwt",
    clockTolerance: 30,
    maxTokenAge: 300,
  });
}

/** What a replica decides in the life of a session, while the database's time goes on. */
async function decisions(name: Name): Promise<unknown[]> {
  const { admin, web } = at(name);
  const { email, id } = await createUser(admin.admin);
  const guess = () => answered(() => web.auth.login({ identifier: email, password: "a guess" }));
  const result: unknown[] = [await refusal(guess())];
  const first = await login(web.auth, email);
  result.push(await isActive(name, first.accessToken));
  result.push((await refresh(name, first.refreshToken)).refreshToken === first.refreshToken);
  await advanceClock(database.url, minute);
  const second = await refresh(name, first.refreshToken);
  result.push(second.refreshToken === first.refreshToken);
  result.push((await refresh(name, first.refreshToken)).refreshToken === second.refreshToken);
  await advanceClock(database.url, 4 * minute + 10_000);
  // The first has expired; services that allow for clock skew would accept it a while longer.
  result.push(await isActive(name, first.accessToken), await isActive(name, second.accessToken));
  await advanceClock(database.url, 30_000);
  result.push(await isActive(name, first.accessToken), await isActive(name, second.accessToken));
  result.push(await refusal(refresh(name, first.refreshToken)), await isActive(name, second.accessToken));
  const other = await login(web.auth, email);
  await answered(() => web.auth.revoke({ target: { case: "token", value: other.accessToken } }));
  result.push(await isActive(name, other.accessToken), await isActive(name, other.refreshToken));
  await answered(() => admin.auth.revoke({ target: { case: "userId", value: id } }));
  result.push(await isActive(name, other.refreshToken), await refusal(refresh(name, other.refreshToken)));
  const last = await answered(() => web.auth.login({ identifier: email, password: PASSWORD }));
  const { tokens, session } = last.outcome.value ?? {};
  result.push(await isActive(name, tokens?.accessToken ?? ""));
  const lifeSeconds = Number(session?.expiresAt?.seconds) - Number(session?.createdAt?.seconds);
  return [...result, lifeSeconds];
}

describe("O01: a replica whose clock is wrong by 10 minutes", () => {
  test("really has another time than the others", () => {
    for (const name of names) {
      const [line] = at(name).server.logs.filter(({ event }) => event === "ready");
      const aheadMs = Date.parse(String(line?.["time"])) - Date.now();
      // The tests have gone on for some time since.
      expect(Math.round(aheadMs / (10 * minute)) * 10 * minute + 0).toBe(offsets[name]);
    }
  });

  const pairs = names.flatMap((one) =>
    names.filter((other) => other !== one).map((other) => [one, other] as const),
  );
  test.each(pairs)(
    "issues, %s, what verifies, and what one that is %s takes, renews and ends",
    async (one, other) => {
      const { email } = await createUser(at(one).admin.admin);
      const issued = await login(at(one).web.auth, email);
      await verify(other, issued.accessToken);
      expect(await isActive(other, issued.accessToken)).toBe(true);
      const renewed = await refresh(other, issued.refreshToken);
      await verify(one, renewed.accessToken);
      expect(await isActive(one, renewed.accessToken)).toBe(true);
      const target = { case: "sessionId", value: issued.sessionId } as const;
      await answered(() => at(other).web.auth.revoke({ target }));
      for (const token of [issued.accessToken, renewed.accessToken, renewed.refreshToken]) {
        expect([await isActive(one, token), await isActive(other, token)]).toEqual([false, false]);
      }
    },
  );

  // Last: it moves the database's time away from that of the tests.
  test("decides as the others do", async () => {
    const right = await decisions("in time");
    expect(right).toEqual([
      ...["INVALID_CREDENTIALS", true, true, false, true, false, true, false, true],
      ...["REFRESH_TOKEN_REUSED", false, false, true, false, "SESSION_ENDED", true, 30 * 24 * 3_600],
    ]);
    expect(await decisions("10 minutes ahead")).toEqual(right);
    expect(await decisions("10 minutes behind")).toEqual(right);
  }, 600_000);
});
