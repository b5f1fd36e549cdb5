import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { Config } from "../config/config.ts";
import { createPasswordHasher, type HashQueue } from "../crypto/argon2.ts";
import type { AuditStore } from "../domain/ports/audit-store.ts";
import type { Cleaner } from "../domain/ports/cleaner.ts";
import type { NewId } from "../domain/ports/ids.ts";
import type { KeyStore } from "../domain/ports/key-store.ts";
import type { PasswordHasher } from "../domain/ports/password-hasher.ts";
import type { RevocationLog, RevocationNotifier } from "../domain/ports/revocation-log.ts";
import type { SessionStore } from "../domain/ports/session-store.ts";
import type { UserNames } from "../domain/ports/user-names.ts";
import type { UserStore } from "../domain/ports/user-store.ts";
import { createNewId } from "../lib/uuid.ts";
import { createAuditStore } from "../store/postgres/audit-store.ts";
import { createCleaner } from "../store/postgres/cleaner.ts";
import { type DatabaseOptions, openDatabase, type PoolState } from "../store/postgres/database.ts";
import { createKeyStore } from "../store/postgres/key-store.ts";
import { createRevocationLog } from "../store/postgres/revocation-log.ts";
import { createSessionStore } from "../store/postgres/session-store.ts";
import { createUserNames } from "../store/postgres/user-names.ts";
import { createUserStore } from "../store/postgres/user-store.ts";

/** Stores, and what else the use cases of the server and the commands depend on. */
export interface Stores extends AsyncDisposable {
  readonly users: UserStore;
  readonly userNames: UserNames;
  readonly sessions: SessionStore;
  readonly revocations: RevocationLog;
  /** Does nothing: commands keep no revocations in memory. The server replaces it. */
  readonly knownRevocations: RevocationNotifier;
  readonly keys: KeyStore;
  readonly cleaner: Cleaner;
  readonly audit: AuditStore;
  readonly passwordHasher: PasswordHasher & HashQueue;
  readonly newId: NewId;
  /** Whether the database answers now. */
  readonly isPostgresUp: () => Promise<boolean>;
  /** The state of the connection pools. */
  readonly pools: () => PoolState[];
}

/** Maximum number of connections of each pool. A full pool does not delay the others. */
const connections = {
  /** Logins, users, lists. */
  main: 10,
  /** Revocations. */
  revoke: 4,
  /** Two batches of refreshes at the same time. The third is for introspection of refresh tokens, and for late answers. */
  refresh: 3,
  /** Head reads, one at a time, and sometimes a read of the keys. The third is for late answers. */
  head: 3,
  /** The same for the names that Introspect shows. */
  names: 2,
  /** The same for the records of failed logins. */
  notes: 2,
};
/** Maximum time of a probe. Orchestrators wait one second by default. */
const probeMs = 500;

export interface StoresOptions {
  /** Called with faults of the stores, for the log. */
  readonly onFault?: (error: unknown) => void;
  /** Maximum time to wait for the database; absent: the time of a call. */
  readonly timeoutMs?: number;
  /** Number of threads that hash passwords; absent: the choice for this machine. */
  readonly hashWorkers?: number;
}

/**
 * Opens the stores without a connection. An unreachable database is noticed at the first use.
 */
export function openStores(
  config: Pick<Config, "sessions"> & { readonly databaseUrl: string },
  { onFault = () => {}, timeoutMs, hashWorkers }: StoresOptions = {},
): Stores {
  const open = (name: keyof typeof connections, options: Partial<DatabaseOptions> = {}) =>
    openDatabase({
      url: config.databaseUrl,
      name: `postern ${name}`,
      maxConnections: connections[name],
      onFault,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...options,
    });
  // In a storm of logins, refuse early.
  const db = open("main", { fullPoolMs: 250 });
  const revokeDb = open("revoke");
  const refreshDb = open("refresh");
  const headDb = open("head", { readsOnly: true });
  const namesDb = open("names", { readsOnly: true });
  const recordsDb = open("notes");
  const pools = [db, revokeDb, refreshDb, headDb, namesDb, recordsDb];
  const passwordHasher = createPasswordHasher(hashWorkers === undefined ? {} : { workers: hashWorkers });
  return {
    users: createUserStore(db),
    userNames: createUserNames(namesDb),
    sessions: createSessionStore(db, config.sessions, refreshDb),
    revocations: createRevocationLog(revokeDb, headDb),
    knownRevocations: { notice() {} },
    keys: createKeyStore(db, headDb),
    cleaner: createCleaner(db),
    audit: createAuditStore({ db, recordsDb }),
    passwordHasher,
    newId: createNewId({ now: Date.now, random: randomBytes }),
    isPostgresUp: () => {
      const answered = headDb.query("select 1").then(
        () => true,
        () => false,
      );
      return Promise.race([answered, wait(probeMs, false, { ref: false })]);
    },
    pools: () => pools.map((pool) => pool.state()),
    async [Symbol.asyncDispose]() {
      await Promise.all([passwordHasher, ...pools].map((resource) => resource[Symbol.asyncDispose]()));
    },
  };
}
