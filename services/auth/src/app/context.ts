import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { createPasswordHasher } from "../crypto/argon2.ts";
import type { NewId } from "../domain/ports/ids.ts";
import type { KeyStore } from "../domain/ports/key-store.ts";
import type { PasswordHasher } from "../domain/ports/password-hasher.ts";
import type { RevocationLog } from "../domain/ports/revocation-log.ts";
import type { SessionStore } from "../domain/ports/session-store.ts";
import type { UserStore } from "../domain/ports/user-store.ts";
import { createNewId } from "../lib/uuid.ts";
import { openDatabase } from "../store/postgres/database.ts";
import { createKeyStore } from "../store/postgres/key-store.ts";
import { createRevocationLog } from "../store/postgres/revocation-log.ts";
import { createSessionStore } from "../store/postgres/session-store.ts";
import { createUserStore } from "../store/postgres/user-store.ts";
import type { Config } from "./config.ts";

/** Stores and their like: what the use cases of the server and of the commands stand on. */
export interface Context extends AsyncDisposable {
  readonly users: UserStore;
  readonly sessions: SessionStore;
  readonly revocations: RevocationLog;
  readonly keys: KeyStore;
  readonly passwordHasher: PasswordHasher;
  readonly newId: NewId;
  /** Whether the database answers now. */
  readonly isPostgresUp: () => Promise<boolean>;
}

/** Connections for all that is not a head read. */
const mainConnections = 16;
/** One reads the head; the other is there when its answer is late. */
const headConnections = 2;
/** Orchestrators wait for a probe one second by default, and take one that is late for a server not ready. */
const probeMs = 500;

/**
 * Opens the stores. Connects to nothing yet: a database that is away shows at the first use.
 * @param onFault told of store faults, for the log
 */
export function openContext(
  config: Pick<Config, "sessions"> & { readonly databaseUrl: string },
  onFault: (error: unknown) => void = () => {},
): Context {
  const shared = { url: config.databaseUrl, onFault };
  const db = openDatabase({ ...shared, name: "postern", maxConnections: mainConnections });
  const headDb = openDatabase({
    ...shared,
    name: "postern head",
    maxConnections: headConnections,
    readsOnly: true,
  });
  const passwordHasher = createPasswordHasher();
  return {
    users: createUserStore(db),
    sessions: createSessionStore(db, config.sessions),
    revocations: createRevocationLog(db, headDb),
    keys: createKeyStore(db),
    passwordHasher,
    newId: createNewId({ now: Date.now, random: randomBytes }),
    isPostgresUp: () => {
      const answered = headDb.query("select 1").then(
        () => true,
        () => false,
      );
      return Promise.race([answered, wait(probeMs, false, { ref: false })]);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([passwordHasher, db, headDb].map((resource) => resource[Symbol.asyncDispose]()));
    },
  };
}
