import { Pool } from "pg";
import { describe } from "vitest";
import type { SessionPolicy } from "../../services/auth/src/domain/ports/session-store.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { suitePolicy } from "../support/postgres/session-bench.ts";
import { openStores, type Stores } from "../support/postgres/stores.ts";
import { auditStoreSuite } from "./audit-store.suite.ts";
import { cleanerSuite } from "./cleaner.suite.ts";
import { keyStoreSuite } from "./key-store.suite.ts";
import { revocationLogSuite } from "./revocation-log.suite.ts";
import { sessionRecordsSuite } from "./session-records.suite.ts";
import { sessionRotationSuite } from "./session-rotation.suite.ts";
import { sessionStoreSuite } from "./session-store.suite.ts";
import { firstAdminSuite, userStoreSuite } from "./user-store.suite.ts";

interface Opened extends AsyncDisposable {
  readonly both: readonly [Stores, Stores];
  readonly advanceClock: (ms: number) => Promise<void>;
  readonly auditEvents: () => Promise<string[]>;
}

/** The same part of both replicas. */
function parts<K extends keyof Stores>({ both }: Opened, name: K): [Stores[K], Stores[K]] {
  return [both[0][name], both[1][name]];
}

/**
 * Every contract suite, on the stores of Postgres.
 *
 * @param through the URL by which the stores reach the database of a URL; asked when a suite begins
 */
export function postgresSuites(through: (databaseUrl: string) => string): void {
  /** Two replicas' stores, each on pools of their own, on a database of their own. */
  async function open(policy: SessionPolicy = suitePolicy): Promise<Opened> {
    const database = await createDatabase();
    const url = through(database.url);
    const both = [openStores(url, policy), openStores(url, policy)] as const;
    const pool = new Pool({ connectionString: database.url, max: 1 });
    // The database may be dropped while a connection is still closing. The pool reports that error too.
    pool.on("error", () => {});
    pool.on("connect", (client) => client.on("error", () => {}));
    return {
      both,
      advanceClock: (ms) => advanceClock(pool, ms),
      async auditEvents() {
        const { rows } = await pool.query("select event from postern.audit order by at, id");
        return rows.map(({ event }) => event);
      },
      async [Symbol.asyncDispose]() {
        await Promise.all([...both.map((stores) => stores[Symbol.asyncDispose]()), pool.end()]);
        await database.drop();
      },
    };
  }

  describe("users", () => {
    userStoreSuite(async () => {
      const opened = await open();
      return { stores: parts(opened, "users"), [Symbol.asyncDispose]: opened[Symbol.asyncDispose] };
    });
  });

  describe("the first administrator", () => {
    firstAdminSuite(async () => {
      const opened = await open();
      return { stores: parts(opened, "users"), [Symbol.asyncDispose]: opened[Symbol.asyncDispose] };
    });
  });

  describe("keys", () => {
    keyStoreSuite(async () => {
      const opened = await open();
      const { advanceClock, auditEvents } = opened;
      return {
        stores: parts(opened, "keys"),
        advanceClock,
        auditEvents,
        async readHead() {
          const { head, keysVersion } = await opened.both[1].revocations.readAll();
          return { seq: head.seq, keysVersion };
        },
        [Symbol.asyncDispose]: opened[Symbol.asyncDispose],
      };
    });
  });

  describe("sessions", () => {
    sessionStoreSuite(open);
  });

  describe("sessions as they are looked into", () => {
    sessionRecordsSuite(open);
  });

  describe("refresh tokens", () => {
    sessionRotationSuite(open);
  });

  describe("the audit", () => {
    auditStoreSuite(async () => {
      const opened = await open();
      return { ...opened, stores: parts(opened, "audit") };
    });
  });

  describe("cleaning", () => {
    cleanerSuite(open);
  });

  describe("the revocation log", () => {
    revocationLogSuite(open);
  });
}
