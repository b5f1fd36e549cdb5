import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { type PgBouncer, startPgBouncer } from "../support/postgres/pgbouncer.ts";
import { postgresSuites } from "./postgres.suites.ts";

const poolSize = 8;

let bouncer: PgBouncer;

beforeAll(async () => {
  bouncer = await startPgBouncer({ postgresUrl: inject("postgresUrl"), poolSize });
});
afterAll(() => bouncer?.stop());

describe("through PgBouncer in transaction mode", () => {
  test("many clients share few connections, each for the length of a transaction", async () => {
    await using stack = new AsyncDisposableStack();
    const pids = new Set<number>();
    for (let opened = 0; opened < 4 * poolSize; opened++) {
      const client = new Client({ connectionString: bouncer.through(inject("postgresUrl")) });
      await client.connect();
      stack.defer(() => client.end());
      pids.add((await client.query("select pg_backend_pid() as pid")).rows[0].pid);
    }
    expect(pids.size).toBeLessThanOrEqual(poolSize);
  });

  postgresSuites((databaseUrl) => bouncer.through(databaseUrl));
});
