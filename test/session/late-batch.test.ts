import { expect, test } from "vitest";
import { AuthError } from "../../services/auth/src/domain/errors.ts";
import { migrate } from "../../services/auth/src/store/postgres/migrate.ts";
import { poll } from "../support/poll.ts";
import { withClient } from "../support/postgres/database.ts";
import { startPostgres } from "../support/postgres/postgres.ts";
import { suitePolicy } from "../support/postgres/session-bench.ts";
import { newId, openStores } from "../support/postgres/stores.ts";

test("a refresh that a frozen Postgres runs after its caller got UNAVAILABLE spends nothing", async () => {
  await using postgres = await startPostgres();
  await migrate(postgres.url);
  const states: unknown[] = [];
  const onFault = (error: unknown) => states.push((error as { code?: unknown }).code);
  await using stores = openStores(postgres.url, { ...suitePolicy, refreshGraceMs: 0 }, { onFault });

  const userId = newId();
  const email = `${userId}@late.test`;
  const names = { email, emailKey: email, username: undefined, usernameKey: undefined };
  const actor = { caller: "late", requestId: "r" };
  await stores.users.create({ id: userId, ...names, roles: [], passwordHash: "none" }, actor);
  const sessionId = newId();
  const shown = { device: "", clientAddress: "", userAgent: "", requestId: "r" };
  const grants = { audience: ["a"], scope: [], amr: ["pwd"], refreshKey: 1 };
  const login = { id: sessionId, userId, passwordVersion: 1, rev: 0, caller: "late", clientId: "late" };
  expect((await stores.sessions.open({ ...login, ...grants, ...shown })).kind).toBe("opened");
  const rotate = (generation: number) => {
    const optional = { clientId: undefined, scope: undefined, clientRequestId: undefined };
    const by = { caller: "late", requestId: "r", ...optional };
    return stores.sessions.rotate({ sessionId, refreshKey: 1, generation, ...by });
  };
  // From its answer the store learns the database's clock.
  expect(await rotate(0)).toMatchObject({ kind: "granted", grant: { generation: 1 } });

  await postgres.freeze();
  const fault = await rotate(1).catch((error: unknown) => error);
  expect(fault instanceof AuthError && fault.reason).toBe("UNAVAILABLE");
  await postgres.thaw();
  await poll("the late batch is refused", 20_000, async () => states.includes("57014") || undefined);

  const generation = await withClient(postgres.url, async (client) => {
    const { rows } = await client.query("select generation from postern.sessions where id = $1", [sessionId]);
    return rows[0]?.generation;
  });
  expect(generation).toBe(1);
  expect(await rotate(1)).toMatchObject({ kind: "granted", grant: { generation: 2 } });
});
