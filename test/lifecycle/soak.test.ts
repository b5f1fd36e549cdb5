import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { createClients } from "../support/clients/clients.ts";
import { each } from "../support/each.ts";
import { createLeanClient } from "../support/load/lean-client.ts";
import { type OpenLoopStream, runOpenLoop } from "../support/load/open-loop.ts";
import { createUser, login, PASSWORD } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const collectGarbage = pathToFileURL(`${import.meta.dirname}/../support/servers/collect-garbage.ts`).href;
/** Milliseconds of load between two looks at the heap. */
const spanMs = 6_000;
/** More than the heap changes by itself, and less than a call takes of which anything is kept. */
const bytesPerCall = 1_000;

/** Bytes in use once the garbage is gone. */
async function heapOf(server: ServerProcess): Promise<number> {
  const seen = server.logs.length;
  process.kill(server.pid, "SIGUSR2");
  const result = await poll("the garbage is collected", 20_000, async () =>
    server.logs.slice(seen).find(({ event }) => event === "collected"),
  );
  return Number(result["heapUsed"]) + Number(result["external"]);
}

test("L15 in a short soak at half load, calls leave nothing behind", { timeout: 90_000 }, async ({
  annotate,
}) => {
  await using database = await createDatabase();
  await using server = await startServer({
    databaseUrl: database.url,
    env: {
      NODE_OPTIONS: `--import=${collectGarbage}`,
      POSTERN_ACCESS_TTL: "1h",
      POSTERN_REFRESH_GRACE: "0s",
      POSTERN_LOGIN_LIMITS: "account=off,account_all=off,address=off,total=off",
    },
  });
  using lean = createLeanClient({
    url: () => server.http,
    credential: TOKENS.web,
    deadlineMs: 9_000,
    slackMs: 11_000,
  });
  const web = createClients({ baseUrl: server.http, credential: TOKENS.web });
  const { email } = await createUser(createClients({ baseUrl: server.http, credential: TOKENS.admin }).admin);
  const sessions = await each(Array(20).fill(email), 2, () => login(web.auth, email));
  const resting = sessions.map(({ refreshToken }) => refreshToken);
  const [{ accessToken } = { accessToken: "" }] = sessions;
  const outcome = async (method: string, request: object) => {
    const answer = await lean.call(method, request);
    return answer.ok ? "answered" : answer.reason;
  };
  const streams = {
    introspect: { perSecond: 100, call: () => outcome("Introspect", { token: accessToken }) },
    garbage: { perSecond: 50, call: () => outcome("Introspect", { token: `${accessToken}x` }) },
    refused: { perSecond: 25, call: () => outcome("Refresh", { refreshToken: "none" }) },
    malformed: { perSecond: 25, call: () => outcome("Introspect", { tokens: 1 }) },
    login: { perSecond: 2, call: () => outcome("Login", { identifier: email, password: PASSWORD }) },
    guess: { perSecond: 2, call: () => outcome("Login", { identifier: email, password: "a guess" }) },
    refresh: {
      perSecond: 20,
      async call() {
        const refreshToken = resting.shift();
        if (refreshToken === undefined) return "none was answered in time to be refreshed again";
        const answer = await lean.call<{ tokens: { refreshToken: string } }>("Refresh", { refreshToken });
        if (!answer.ok) return answer.reason;
        resting.push(answer.message.tokens.refreshToken);
        return "answered";
      },
    },
  } satisfies Record<string, OpenLoopStream>;
  // What is loaded and compiled at first is there to stay.
  await runOpenLoop(streams, spanMs);
  const before = await heapOf(server);
  const reports = Object.entries(await runOpenLoop(streams, 2 * spanMs));
  const after = await heapOf(server);

  const outcomes = Object.fromEntries(reports.map(([name, report]) => [name, report.outcomes]));
  const calls = Object.values(outcomes).flatMap((one) => Object.values(one));
  const total = calls.reduce((sum, count) => sum + count, 0);
  await annotate(`${total} calls: from ${before} to ${after} bytes, ${JSON.stringify(outcomes)}`);
  // On a machine with too much to do, some have no verdict; all kinds have been tried.
  expect(outcomes).toMatchObject({
    introspect: { answered: expect.any(Number) },
    garbage: { answered: expect.any(Number) },
    refused: { INVALID_REFRESH_TOKEN: expect.any(Number) },
    malformed: { INVALID_REQUEST: expect.any(Number) },
    login: { answered: expect.any(Number) },
    guess: { INVALID_CREDENTIALS: expect.any(Number) },
    refresh: { answered: expect.any(Number) },
  });
  expect((after - before) / total).toBeLessThan(bytesPerCall);
});
