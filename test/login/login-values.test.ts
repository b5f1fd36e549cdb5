import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clients, createClients, reasonOf } from "../support/clients/clients.ts";
import { createUser, PASSWORD } from "../support/people/people.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

let database: TestDatabase;
let server: ServerProcess;
let admin: Clients;
let web: Clients;

beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({ databaseUrl: database.url });
  admin = createClients({ baseUrl: server.http, credential: TOKENS.admin });
  web = createClients({ baseUrl: server.http, credential: TOKENS.web });
});
afterAll(async () => {
  admin?.[Symbol.dispose]();
  web?.[Symbol.dispose]();
  await server?.stop();
  await database?.drop();
});

async function sessionOf(values: {
  device?: string;
  userAgent?: string;
  deviceToken?: string;
  clientAddress?: string;
}) {
  const { email } = await createUser(admin.admin);
  const { outcome } = await web.auth.login({ identifier: email, password: PASSWORD, ...values });
  const session = outcome.value?.session;
  if (session === undefined) throw new Error("not logged in");
  return session;
}

describe("a client address", () => {
  test.each([
    ["2001:DB8:0:0::9", "2001:db8::9"],
    ["2001:0db8:0000:0000:0000:0000:0000:000a", "2001:db8::a"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["::FFFF:cb00:7108", "203.0.113.8"],
  ])("is stored in its canonical spelling, and any spelling finds it: %s", async (written, canonical) => {
    const session = await sessionOf({ clientAddress: written });
    expect(session.clientAddress).toBe(canonical);
    const { sessions } = await web.auth.listSessions({ userId: session.userId });
    expect(sessions.map(({ clientAddress }) => clientAddress)).toEqual([canonical]);
    const failed = { identifier: `nobody-${session.id}`, password: "wrong", clientAddress: written };
    expect(await web.auth.login(failed).catch(reasonOf)).toBe("INVALID_CREDENTIALS");
    for (const clientAddress of [written, canonical]) {
      const { events } = await admin.admin.listAuditEvents({ clientAddress });
      expect(
        events.map((event) => [event.event, event.clientAddress]),
        clientAddress,
      ).toEqual([
        ["login_refused", canonical],
        ["login", canonical],
      ]);
    }
  });

  test.each(["localhost", "203.0.113.7:80", "[2001:db8::9]", "fe80::1%eth0", "203.0.113.07", "2130706433"])(
    "that is invalid is refused at a login and as a filter: %s",
    async (clientAddress) => {
      expect(await sessionOf({ clientAddress }).catch(reasonOf)).toBe("INVALID_REQUEST");
      expect(await admin.admin.listAuditEvents({ clientAddress }).catch(reasonOf)).toBe("INVALID_REQUEST");
    },
  );
});

describe("a label that is too long does not fail the login, and is truncated at a character", () => {
  test.each([
    ["of ASCII", "x"],
    ["of letters of two bytes", "é"],
    ["of characters beyond the basic plane", "\u{1f469}"],
  ])("%s", async (_, character) => {
    const session = await sessionOf({ device: character.repeat(129), userAgent: character.repeat(513) });
    expect([session.device, session.userAgent]).toEqual([character.repeat(128), character.repeat(512)]);
    const { sessions } = await web.auth.listSessions({ userId: session.userId });
    expect(sessions).toMatchObject([{ device: session.device, userAgent: session.userAgent }]);
  });

  test("a label with characters of one and two code units is truncated at a character", async () => {
    const session = await sessionOf({ device: `a${"\u{1f469}".repeat(128)}` });
    expect(session.device).toBe(`a${"\u{1f469}".repeat(127)}`);
  });

  test("a label of the maximum length is stored unchanged", async () => {
    const labels = { device: "\u{1f469}".repeat(128), userAgent: "é".repeat(512) };
    expect(await sessionOf(labels)).toMatchObject(labels);
  });

  test("a label that fills almost the whole message is truncated", async () => {
    expect((await sessionOf({ userAgent: "x".repeat(60_000) })).userAgent).toBe("x".repeat(512));
  });

  test("a label with a NUL is refused, as every text with one", async () => {
    expect(await sessionOf({ device: "a\0b" }).catch(reasonOf)).toBe("INVALID_REQUEST");
    expect(await sessionOf({ userAgent: `${"x".repeat(600)}\0` }).catch(reasonOf)).toBe("INVALID_REQUEST");
  });
});

test("a device token that is too long is ignored, as every one that Postern did not issue", async () => {
  for (const deviceToken of ["x".repeat(513), `ptn_dv_${"0".repeat(40_000)}`]) {
    expect((await sessionOf({ deviceToken })).id).toMatch(/^ses_/);
  }
});
