import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { answered } from "../support/clients/answers.ts";
import { createClients } from "../support/clients/clients.ts";
import { createDatabase, withClient } from "../support/postgres/database.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { ISSUER, startServer, TOKENS } from "../support/servers/server-process.ts";

/** Any holder of a server's credential can add such rows. */
const odd = [
  "null",
  "[]",
  '"text"',
  "7",
  '{"token": "zzz"}',
  '{"key": "zzz", "token": {}}',
  '{"a": [1e400, -1e400]}',
];

test("a forged row does not prevent the reading of others", { timeout: 60_000 }, async () => {
  await using database = await createDatabase();
  await using server = await startServer({ databaseUrl: database.url });
  await withClient(database.url, async (client) => {
    for (const detail of odd) {
      await client.query(
        "select postern.record_audit('token_revoked', 'made up', '', null, null, null, $1::jsonb)",
        [detail],
      );
    }
  });
  const { admin } = createClients({ baseUrl: server.http, credential: TOKENS.admin });
  const { events } = await answered(() => admin.listAuditEvents({ caller: "made up" }));
  expect(events).toHaveLength(odd.length);
  const { code, stdout, stderr } = await runPostern(["audit", "--caller", "made up", "--json"], {
    POSTERN_DATABASE_URL: database.url,
    POSTERN_ISSUER: ISSUER,
    POSTERN_MASTER_KEY: randomBytes(32).toString("base64"),
  });
  expect([code, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout).events.map(({ detail }: { detail: unknown }) => detail)).toEqual([
    { a: ["Infinity", "-Infinity"] },
    { key: "zzz", token: {} },
    { token: "zzz" },
    { detail: 7 },
    { detail: "text" },
    { detail: [] },
    { detail: null },
  ]);
});
