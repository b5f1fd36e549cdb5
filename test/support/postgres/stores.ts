import { randomBytes } from "node:crypto";
import type { AuditStore } from "../../../services/auth/src/domain/ports/audit-store.ts";
import type { Cleaner } from "../../../services/auth/src/domain/ports/cleaner.ts";
import type { KeyStore } from "../../../services/auth/src/domain/ports/key-store.ts";
import type { RevocationLog } from "../../../services/auth/src/domain/ports/revocation-log.ts";
import type { SessionPolicy, SessionStore } from "../../../services/auth/src/domain/ports/session-store.ts";
import type { UserStore } from "../../../services/auth/src/domain/ports/user-store.ts";
import { createNewId } from "../../../services/auth/src/lib/uuid.ts";
import { createAuditStore } from "../../../services/auth/src/store/postgres/audit-store.ts";
import { createCleaner } from "../../../services/auth/src/store/postgres/cleaner.ts";
import { openDatabase } from "../../../services/auth/src/store/postgres/database.ts";
import { createKeyStore } from "../../../services/auth/src/store/postgres/key-store.ts";
import { createRevocationLog } from "../../../services/auth/src/store/postgres/revocation-log.ts";
import { createSessionStore } from "../../../services/auth/src/store/postgres/session-store.ts";
import { createUserStore } from "../../../services/auth/src/store/postgres/user-store.ts";

/** Every store of one replica. */
export interface Stores extends AsyncDisposable {
  readonly users: UserStore;
  readonly sessions: SessionStore;
  readonly revocations: RevocationLog;
  readonly keys: KeyStore;
  readonly cleaner: Cleaner;
  readonly audit: AuditStore;
}

/** Makes ids in the order of the calls, for all replicas of a test. */
export const newId = createNewId({ now: Date.now, random: randomBytes });

export interface StoresOptions {
  /** Of each of the two pools; 8 by default. */
  readonly maxConnections?: number;
  /** What its connections are called; `test` by default. */
  readonly name?: string;
  /** Told of every fault of the store, also of those that it deals with itself. */
  readonly onFault?: (error: unknown) => void;
}

/** Opens the Postgres stores of one replica, on pools of their own. */
export function openStores(url: string, policy: SessionPolicy, options: StoresOptions = {}): Stores {
  const { maxConnections = 8, name = "test", onFault = () => {} } = options;
  const open = () => openDatabase({ url, maxConnections, name, onFault });
  const [db, headDb] = [open(), open()];
  return {
    users: createUserStore(db),
    sessions: createSessionStore(db, policy),
    revocations: createRevocationLog(db, headDb),
    keys: createKeyStore(db),
    cleaner: createCleaner(db),
    audit: createAuditStore({ db, recordsDb: db }, { sliceRows: 10 }),
    async [Symbol.asyncDispose]() {
      await Promise.all([db, headDb].map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
