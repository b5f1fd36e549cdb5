import { randomBytes } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answered, refusal } from "../support/clients/answers.ts";
import { type Clients, createClients, reasonOf } from "../support/clients/clients.ts";
import { limitedTo, WRONG } from "../support/load/guesses.ts";
import { createUser, PASSWORD } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

let database: TestDatabase;
let server: ServerProcess;
let admin: Clients["admin"];
let web: Clients["auth"];
const masterKey = randomBytes(32).toString("base64");

beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({
    databaseUrl: database.url,
    env: { POSTERN_MASTER_KEY: masterKey, ...limitedTo("account=20/1h") },
  });
  ({ admin } = createClients({ baseUrl: server.http, credential: TOKENS.admin }));
  web = createClients({ baseUrl: server.http, credential: TOKENS.web }).auth;
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** A transaction that keeps others from writing to the audit. */
async function holdAudit(): Promise<AsyncDisposable> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query("begin");
  await client.query("lock table postern.audit in share mode");
  return { [Symbol.asyncDispose]: () => client.end() };
}

async function refusalsOf(userId: string): Promise<number> {
  const { events } = await answered(() => admin.listAuditEvents({ userId, events: ["login_refused"] }));
  return events.length;
}

describe("K03: where the audit cannot be written", { timeout: 60_000 }, () => {
  test("the answer reveals neither whether the password is right, nor whether the user exists", async () => {
    const { email, id } = await createUser(admin);
    const disabled = await createUser(admin);
    await answered(() => admin.disableUser({ userId: disabled.id }));
    const guesses = [
      { identifier: email, password: WRONG },
      { identifier: email, password: PASSWORD },
      { identifier: disabled.email, password: PASSWORD },
      { identifier: `${email}.nobody`, password: WRONG },
      { identifier: "an impossible name", password: WRONG },
    ];
    {
      await using _ = await holdAudit();
      for (const guess of guesses) {
        expect(await web.login(guess).catch(reasonOf), JSON.stringify(guess)).toBe("UNAVAILABLE");
      }
    }
    await poll("a login is refused again", 20_000, async () =>
      (await web.login({ identifier: email, password: WRONG }).catch(reasonOf)) === "INVALID_CREDENTIALS"
        ? true
        : undefined,
    );
    expect(await refusalsOf(id)).toBeGreaterThan(0);
    expect((await answered(() => web.login({ identifier: email, password: PASSWORD }))).outcome.case).toBe(
      "loggedIn",
    );
  });
});

test("every refused login of a crowd has its row before its answer", { timeout: 60_000 }, async () => {
  const people = await Promise.all(Array.from({ length: 6 }, () => createUser(admin)));
  await Promise.all(
    people.map(async ({ email, id }) => {
      for (let time = 1; time <= 3; time++) {
        const guess = () => web.login({ identifier: email, password: WRONG });
        expect(await answered(guess).catch(reasonOf)).toBe("INVALID_CREDENTIALS");
        // One that was answered UNAVAILABLE and tried again may have been noted all the same.
        expect(await refusalsOf(id)).toBeGreaterThanOrEqual(time);
      }
    }),
  );
});

test("logins that a budget refused are recorded with their number, at the latest when the server stops", {
  timeout: 60_000,
}, async () => {
  const { id, email } = await createUser(admin);
  const counted = async () => {
    const rows = await withClient(database.url, async (client) => {
      const sql =
        "select (detail ->> 'count')::int as count from postern.audit where detail ->> 'reason' = $1";
      return (await client.query<{ count: number }>(sql, ["rate_limited"])).rows;
    });
    return { rows: rows.length, sum: rows.reduce((sum, { count }) => sum + count, 0) };
  };
  await using other = await startServer({
    databaseUrl: database.url,
    env: { POSTERN_MASTER_KEY: masterKey, ...limitedTo("account=1/1h") },
  });
  const { auth } = createClients({ baseUrl: other.http, credential: TOKENS.web });
  const guess = (clientAddress: string) =>
    refusal(answered(() => auth.login({ identifier: email, password: WRONG, clientAddress })));
  const addresses = ["192.0.2.1", "192.0.2.2"];
  for (const address of addresses) {
    await poll("the budget is spent", 20_000, async () =>
      (await guess(address)) === "RATE_LIMITED" ? true : undefined,
    );
  }
  const before = await counted();
  const reasons = await Promise.all(
    Array.from({ length: 60 }, (_, index) => guess(addresses[index % 2] ?? "")),
  );
  expect(new Set(reasons)).toEqual(new Set(["RATE_LIMITED"]));
  await other.stop();
  const after = await counted();
  expect(after.sum - before.sum).toBeGreaterThanOrEqual(60);
  // A row for each address, and one more for each where the server wrote between two of them.
  expect(after.rows - before.rows).toBeLessThanOrEqual(20);
  const { events } = await answered(() => admin.listAuditEvents({ userId: id, events: ["login_refused"] }));
  expect(new Set(events.map(({ clientAddress }) => clientAddress))).toEqual(new Set(addresses));
});

describe("ListAuditEvents", () => {
  test("returns page after page, from either end, and by filter", async () => {
    const { id: userId } = await createUser(admin);
    for (let time = 0; time < 3; time++) {
      await answered(() => admin.disableUser({ userId }));
      await answered(() => admin.enableUser({ userId }));
    }
    const read = async (more: object) => {
      const events: string[] = [];
      let pageToken = "";
      do {
        const page = await answered(() => admin.listAuditEvents({ userId, pageSize: 3, pageToken, ...more }));
        expect(page.events.length).toBeLessThanOrEqual(3);
        events.push(...page.events.map(({ id, event }) => `${id} ${event}`));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return events;
    };
    const newest = await read({});
    expect(newest).toHaveLength(7);
    expect(await read({ oldestFirst: true })).toEqual(newest.toReversed());
    expect(await read({ events: ["user_disabled"] })).toHaveLength(3);
    expect(await read({ caller: "nobody" })).toEqual([]);
    expect(await read({ until: timestampFromDate(new Date(0)) })).toEqual([]);
    const { events } = await answered(() =>
      admin.listAuditEvents({ userId, oldestFirst: true, pageSize: 1 }),
    );
    expect(events).toMatchObject([
      { event: "user_created", caller: "admin", userId, sessionId: "", keyId: "", detail: { roles: [] } },
    ]);
  });

  const faulty: [string, object][] = [
    ["an invalid page token", { pageToken: "x" }],
    ["an id of something else", { userId: "ses_01h45ctjrt78tbthvwqsp9x1vp" }],
    ["a page too large", { pageSize: 1_001 }],
    ["no event's name", { events: ["'; drop table"] }],
    ["U+0000", { caller: "\0" }],
  ];
  test.each(faulty)("refuses %s", async (_, request) => {
    expect(await refusal(answered(() => admin.listAuditEvents(request)))).toBe("INVALID_REQUEST");
  });

  test("refuses a time that no clock here tells", async () => {
    using grpc = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.admin });
    const since = { seconds: 1n << 60n, nanos: 0 };
    expect(await refusal(answered(() => grpc.admin.listAuditEvents({ since })))).toBe("INVALID_REQUEST");
    const early = { seconds: -62_135_596_800n, nanos: 0 };
    const late = { seconds: 253_402_300_799n, nanos: 0 };
    const { events } = await answered(() => grpc.admin.listAuditEvents({ since: early, until: late }));
    expect(events.length).toBeGreaterThan(0);
  });
});
