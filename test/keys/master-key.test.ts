import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { createUser, PASSWORD } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { runPostern, serveSettings } from "../support/servers/postern-command.ts";
import { ISSUER, type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

let database: TestDatabase;
const servers: ServerProcess[] = [];
/** The pause between a user's calls, unless the test waits for more of them. */
const restMs = 100;
const [oldKey, newKey] = [randomBytes(32).toString("base64"), randomBytes(32).toString("base64")];

beforeAll(async () => {
  database = await createDatabase();
  servers.push(...(await Promise.all([start(oldKey), start(oldKey)])));
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  await database?.drop();
});

function start(masterKeys: string): Promise<ServerProcess> {
  return startServer({ databaseUrl: database.url, env: { POSTERN_MASTER_KEY: masterKeys } });
}

/** Gives one server after the other these master keys. */
async function rollOut(masterKeys: string): Promise<void> {
  for (const index of servers.keys()) {
    const before = servers[index];
    // The other one answers meanwhile.
    await before?.stop();
    servers[index] = await start(masterKeys);
  }
}

/** Whether a sealed key in the database still names this master key, which `key list` would cost a process to tell. */
async function isUsed(masterKeyId: string): Promise<boolean> {
  const { rows } = await withClient(database.url, (client) =>
    client.query("select from postern.keys where encode(sealed, 'hex') like $1", [`%${masterKeyId}%`]),
  );
  return rows.length > 0;
}

async function sealedUnder(masterKeys: string): Promise<Set<string>> {
  const { code, stdout, stderr } = await runPostern(["key", "list", "--json"], {
    POSTERN_DATABASE_URL: database.url,
    POSTERN_MASTER_KEY: masterKeys,
    POSTERN_ISSUER: ISSUER,
  });
  expect([code, stderr]).toEqual([0, ""]);
  return new Set(JSON.parse(stdout).keys.map(({ masterKey }: { masterKey: string }) => masterKey));
}

const clients = new Map<string, Clients>();

function clientsOf(baseUrl: string): Clients {
  const made = clients.get(baseUrl) ?? createClients({ baseUrl, credential: TOKENS.admin });
  clients.set(baseUrl, made);
  return made;
}

/** Calls one server or the other until there is a verdict. */
async function call<T>(work: (clients: Clients) => Promise<T>): Promise<T> {
  let turn = 0;
  const outcome = await poll("an answer that is a verdict", 20_000, async () => {
    try {
      return { value: await work(clientsOf(servers[turn++ % servers.length]?.http ?? "")) };
    } catch (error) {
      const { code } = ConnectError.from(error);
      return [Code.Unavailable, Code.ResourceExhausted, Code.Aborted].includes(code) ? undefined : { error };
    }
  });
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

test("O05: a new master key, in three steps under load: no session ends, and the old key opens nothing", {
  timeout: 120_000,
}, async ({ annotate }) => {
  const people = await Promise.all(Array.from({ length: 4 }, () => call(({ admin }) => createUser(admin))));
  const audience = ["https://api.postern.test"];
  const logIn = (email: string, deviceToken = "") =>
    call(async ({ auth }) => {
      const { outcome } = await auth.login({ identifier: email, password: PASSWORD, audience, deviceToken });
      return outcome.value ?? expect.unreachable();
    });
  const before = await Promise.all(people.map(({ email }) => logIn(email)));
  const [oldId] = await sealedUnder(oldKey);

  let stop = false;
  let isAwaited = false;
  let refreshes = 0;
  const load = before.map(async ({ tokens }) => {
    let { refreshToken = "" } = tokens ?? {};
    while (!stop) {
      const given = refreshToken;
      const { tokens: next } = await call(({ auth }) => auth.refresh({ refreshToken: given }));
      ({ refreshToken = "" } = next ?? {});
      const { active } = await call(({ auth }) => auth.introspect({ token: next?.accessToken ?? "" }));
      expect(active).toBe(true);
      refreshes += 1;
      // While servers start, they need the processor.
      if (!isAwaited) await delay(restMs);
    }
    return refreshToken;
  });
  const failed = Promise.all(load).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const step = async (work: Promise<unknown>) => {
    const fault = await Promise.race([failed, work.then(() => undefined)]);
    if (fault !== undefined) throw fault.error;
  };

  await step(rollOut(`${oldKey},${newKey}`));
  expect(await sealedUnder(`${oldKey},${newKey}`)).toEqual(new Set([oldId]));
  expect(await isUsed(oldId ?? "")).toBe(true);
  await step(rollOut(`${newKey},${oldKey}`));
  await step(
    poll("every key is sealed under the new one", 40_000, async () =>
      (await isUsed(oldId ?? "")) ? undefined : true,
    ),
  );
  expect(await sealedUnder(newKey)).not.toContain(oldId);
  await step(rollOut(newKey));
  const seen = refreshes;
  isAwaited = true;
  await step(
    poll("refreshes without the old key", 20_000, async () => (refreshes > seen + 20 ? true : undefined)),
  );
  stop = true;
  const last = await Promise.all(load);
  await annotate(`${refreshes} refreshes and introspections, none refused`);

  for (const refreshToken of last) {
    expect((await call(({ auth }) => auth.refresh({ refreshToken }))).tokens?.accessToken).not.toBe("");
  }
  for (const [index, { email }] of people.entries()) await logIn(email, before[index]?.deviceToken);
  expect(await sealedUnder(newKey)).toHaveProperty("size", 1);
  const rows = await withClient(database.url, (client) =>
    client.query("select sealed from postern.keys where sealed is not null"),
  );
  expect(rows.rows.length).toBeGreaterThan(1);
  for (const { sealed } of rows.rows) {
    expect((sealed as Buffer).toString("hex")).not.toContain(oldId);
  }
  const wrong = await runPostern(["serve"], serveSettings(database.url, oldKey));
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("POSTERN_MASTER_KEY")]);
});

test("by command: re-sealed at once, and what the first key cannot open is said", {
  timeout: 60_000,
}, async () => {
  const third = randomBytes(32).toString("base64");
  const run = (masterKey: string, ...args: string[]) =>
    runPostern(["key", ...args, "--json"], {
      POSTERN_DATABASE_URL: database.url,
      POSTERN_MASTER_KEY: masterKey,
      POSTERN_ISSUER: ISSUER,
    });
  const alone = await run(third, "reseal");
  expect([alone.code, alone.stdout]).toEqual([2, ""]);
  expect(alone.stderr).toContain("POSTERN_MASTER_KEY");
  // Nor is a key made that those who have the right one could not open.
  for (const args of [["prepare"], ["rotate", "--now"]]) {
    const { code, stderr } = await run(third, ...args, "--purpose", "refresh");
    expect([code, stderr]).toEqual([2, expect.stringContaining("POSTERN_MASTER_KEY")]);
  }
  const both = await run(`${third},${newKey}`, "reseal");
  expect([both.code, JSON.parse(both.stdout)]).toEqual([0, { resealed: expect.any(Number) }]);
  expect(JSON.parse(both.stdout).resealed).toBeGreaterThan(1);
  expect(both.stdout + both.stderr).not.toContain(third);
});
