import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { each } from "../support/each.ts";
import { createLeanClient, type LeanClient } from "../support/load/lean-client.ts";
import {
  describeSpread,
  type OpenLoopStream,
  runOpenLoop,
  type StreamReport,
} from "../support/load/open-loop.ts";
import { createUser, login, PASSWORD } from "../support/people/people.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";
import { type StormReport, startLoginStorm } from "./login-storm.ts";

/** Milliseconds of each measurement. */
const measuredMs = 5_000;
const inFlight = 500;
/** Right answers that each stream must get during the storm, per call of it a second. */
const leastRight = 2;
/** Measurements during the storm, until there are enough right answers. A slow machine needs several. */
const mostMeasurements = 12;
/** Limits of a call. The server gives up earlier. */
const client = { deadlineMs: 9_000, slackMs: 11_000 };

let database: TestDatabase;
let server: ServerProcess;
let admin: Clients;
let lean: LeanClient;

beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({
    databaseUrl: database.url,
    env: {
      POSTERN_LOGIN_LIMITS: "account=off,account_all=off,address=off,total=off",
      POSTERN_ACCESS_TTL: "1h",
      // Every refresh rotates.
      POSTERN_REFRESH_GRACE: "0s",
    },
  });
  admin = createClients({ baseUrl: server.http, credential: TOKENS.admin });
  lean = createLeanClient({ url: () => server.http, credential: TOKENS.web, ...client });
});
afterAll(async () => {
  lean?.[Symbol.dispose]();
  await server?.stop();
  await database?.drop();
});

/** The other calls during the storm. An outcome is `right`, or a description of the fault. */
async function openStreams(): Promise<Record<"Introspect" | "Refresh" | "Revoke" | "JWKS", OpenLoopStream>> {
  const web = createClients({ baseUrl: server.http, credential: TOKENS.web });
  const { email } = await createUser(admin.admin);
  const sessions = await each(Array(40).fill(email), 4, (one) => login(web.auth, one));
  const living = sessions.slice(0, 8).map(({ accessToken }) => accessToken);
  /** Refresh tokens that no call uses now. */
  const resting = sessions.slice(8).map(({ refreshToken }) => refreshToken);
  /** Access tokens to be revoked. */
  const fresh = sessions.slice(8).map(({ accessToken }) => accessToken);
  const dead: string[] = [];
  let asked = 0;

  async function introspect(token: string, isActive: boolean): Promise<string> {
    const answer = await lean.call<{ active?: boolean }>("Introspect", { token });
    if (!answer.ok) return answer.reason;
    return (answer.message.active ?? false) === isActive ? "right" : "a wrong verdict";
  }
  async function refresh(): Promise<string> {
    const refreshToken = resting.shift();
    if (refreshToken === undefined) return "no refresh token is free";
    const answer = await lean.call<{ tokens: Record<"accessToken" | "refreshToken", string> }>("Refresh", {
      refreshToken,
    });
    if (!answer.ok) return answer.reason;
    resting.push(answer.message.tokens.refreshToken);
    fresh.push(answer.message.tokens.accessToken);
    return "right";
  }
  async function revoke(): Promise<string> {
    const token = fresh.shift();
    if (token === undefined) return "no access token is left";
    const answer = await lean.call("Revoke", { token });
    if (!answer.ok) return answer.reason;
    dead.push(token);
    return "right";
  }
  const jwksUrl = `${server.http}/.well-known/jwks.json`;
  async function jwks(): Promise<string> {
    const answer = await fetch(jwksUrl, { signal: AbortSignal.timeout(20_000) }).catch((error: Error) =>
      error.name === "TimeoutError" ? "UNAVAILABLE: no answer within 20 s" : String(error),
    );
    if (typeof answer === "string") return answer;
    return answer.status === 200 && (await answer.text()).includes('"keys"')
      ? "right"
      : `status ${answer.status}`;
  }
  return {
    Introspect: {
      perSecond: 200,
      call() {
        asked += 1;
        // Every fourth token is a revoked one, and half of those the last one revoked.
        const gone = asked % 8 === 0 ? dead.at(-1) : dead[asked % dead.length];
        if (asked % 4 === 0 && gone !== undefined) return introspect(gone, false);
        return introspect(living[asked % living.length] ?? "", true);
      },
    },
    Refresh: { perSecond: 10, call: refresh },
    Revoke: { perSecond: 10, call: revoke },
    JWKS: { perSecond: 10, call: jwks },
  };
}

/** Right and wrong passwords of many users, and passwords of unknown users. */
async function attempts() {
  const people = await each(Array(8).fill(undefined), 2, () => createUser(admin.admin));
  return people.flatMap(({ email }, index) => [
    { identifier: email, password: PASSWORD },
    { identifier: email, password: "a guess" },
    { identifier: `nobody-${index}@people.test`, password: "a guess" },
  ]);
}

test("N05: 500 logins in flight do not prevent introspection, refresh and revocation", {
  timeout: 600_000,
}, async ({ annotate }) => {
  const streams = await openStreams();
  const names = Object.keys(streams) as (keyof typeof streams)[];
  const options = { url: server.http, credential: TOKENS.web, inFlight, attempts: await attempts() };
  // Opens connections and compiles code before the measurement.
  await runOpenLoop(streams, 1_500);
  const before = await runOpenLoop(streams, measuredMs);
  const storm = await startLoginStorm(options);
  const during = [await runOpenLoop(streams, measuredMs)];
  const rightOf = (name: keyof typeof streams) =>
    sum(during.map((phase) => phase[name].outcomes))["right"] ?? 0;
  const isEnough = () => names.every((name) => rightOf(name) >= leastRight * streams[name].perSecond);
  while (!isEnough() && during.length < mostMeasurements) during.push(await runOpenLoop(streams, measuredMs));
  const logins = await storm.stop();
  const after = await runOpenLoop(streams, 1_000);

  const storms = Object.fromEntries(during.map((phase, index) => [`during ${index + 1}`, phase]));
  const figures = describe({ before, ...storms, after }, logins);
  process.stdout.write(`${figures}\n`);
  await annotate(figures);
  for (const name of names) {
    const { right, ...others } = decided(
      sum([before, ...during, after].map((phase) => phase[name].outcomes)),
    );
    expect({ name, right, others }).toEqual({ name, right: expect.any(Number), others: {} });
    expect(rightOf(name), name).toBeGreaterThanOrEqual(leastRight * streams[name].perSecond);
  }
  const {
    ok = 0,
    INVALID_CREDENTIALS: wrong = 0,
    "OVERLOADED, retry after 1 s": refused = 0,
    ...others
  } = decided(logins.outcomes);
  expect(others).toEqual({});
  expect(Math.min(ok, wrong, refused)).toBeGreaterThan(0);
});

type Outcomes = Readonly<Record<string, number>>;

function sum(all: readonly Outcomes[]): Outcomes {
  const total: Record<string, number> = {};
  for (const [outcome, count] of all.flatMap(Object.entries<number>)) {
    total[outcome] = (total[outcome] ?? 0) + count;
  }
  return total;
}

/** Without calls that missed a deadline, the server's or the client's: on a machine that is busy with other processes, any call may. */
function decided(outcomes: Outcomes): Outcomes {
  return Object.fromEntries(
    Object.entries(outcomes).filter(([outcome]) => !/^(UNAVAILABLE|deadline_exceeded)/.test(outcome)),
  );
}

function describe(phases: Record<string, Record<string, StreamReport>>, storm: StormReport): string {
  const lines = Object.entries(phases).flatMap(([phase, reports]) =>
    Object.entries(reports).map(
      ([name, { answeredMs, sentMs, outcomes }]) =>
        `${phase} ${name}: ${describeSpread(answeredMs)}, sent late by ${describeSpread(sentMs)}, ${JSON.stringify(outcomes)}`,
    ),
  );
  const { ok = 0, INVALID_CREDENTIALS: wrong = 0 } = storm.outcomes;
  const perSecond = (count: number) => (count / storm.seconds).toFixed(1);
  return [
    ...lines,
    `logins in ${storm.seconds.toFixed(1)} s: ${JSON.stringify(storm.outcomes)}`,
    `hashed: ${perSecond(ok + wrong)} a second, ${describeSpread(storm.hashedMs)}; refused: ${describeSpread(storm.refusedMs)}`,
  ].join("\n");
}
