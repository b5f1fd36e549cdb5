import { setTimeout as wait } from "node:timers/promises";
import type { Pool } from "pg";
import { createKeyMaterial } from "../../../services/auth/src/crypto/key-material.ts";
import { createFailedLogins } from "../../../services/auth/src/domain/audit/failed-logins.ts";
import type { Caller } from "../../../services/auth/src/domain/caller/caller.ts";
import { AuthError } from "../../../services/auth/src/domain/errors.ts";
import { openKeyRing } from "../../../services/auth/src/domain/keys/key-ring.ts";
import { login } from "../../../services/auth/src/domain/login/login.ts";
import type { LoginBudgets } from "../../../services/auth/src/domain/login/login-budgets.ts";
import type { PasswordHasher } from "../../../services/auth/src/domain/ports/password-hasher.ts";
import { introspect } from "../../../services/auth/src/domain/revocation/introspect.ts";
import {
  openRevocationLogReader,
  type RevocationLogReader,
} from "../../../services/auth/src/domain/revocation/revocation-log-reader.ts";
import { type RevokeTarget, revoke } from "../../../services/auth/src/domain/revocation/revoke.ts";
import { refresh } from "../../../services/auth/src/domain/session/refresh.ts";
import { disableUser } from "../../../services/auth/src/domain/user/disable-user.ts";
import { enableUser } from "../../../services/auth/src/domain/user/enable-user.ts";
import { setPassword } from "../../../services/auth/src/domain/user/set-password.ts";
import { createSessionStore } from "../../../services/auth/src/store/postgres/session-store.ts";
import { newId, openStores, type Stores } from "../postgres/stores.ts";
import { lives, maxSessions } from "./session-model.ts";

/** Puts a part of a replica in the place of the real one, for planted faults. */
export interface Faults {
  readonly stores?: (stores: Stores) => Stores;
  readonly logReader?: (reader: LogReader) => LogReader;
}

type LogReader = Pick<RevocationLogReader, "current">;

/** What is asked of a replica: the use cases as its callers know them. */
export type Replica = Awaited<ReturnType<typeof openReplica>>;

/** Where the database's clock begins: in the past, so that no history runs ahead of the real time. */
const startMs = Date.UTC(2026, 0, 1);
const issuer = "https://auth.example";
const masterKeys = [new Uint8Array(32).fill(7)];
const signal = new AbortController().signal;

/** As cheap as it gets: what is tested here is what follows from a right or a wrong password. */
const passwordHasher: PasswordHasher = {
  reserveSlot: () => ({ [Symbol.dispose]() {} }),
  hash: async (password) => `plain:${password}`,
  verify: async (password, hash) => hash === `plain:${password}`,
};

/** Nothing is limited: what is tested here has other reasons. */
const loginBudgets: LoginBudgets = { reserve: async () => ({ settle: async () => {} }) };

const everything = new Set(["*"]);
export const caller: Caller = {
  name: "gateway",
  permissions: new Set(["admin"]),
  scopes: everything,
  audiences: everything,
  clients: everything,
  trustedAddress: true,
};
export const outsider: Caller = { ...caller, name: "outsider" };

const policy = {
  accessTtlMs: lives.access * 1000,
  sessionTtlMs: lives.session * 1000,
  idleTtlMs: lives.idle * 1000,
  refreshGraceMs: lives.grace * 1000,
  maxSessions,
};

/** Stops the database's clock, so many seconds after its beginning. */
export async function stopClock(pool: Pick<Pool, "query">, seconds: number): Promise<void> {
  const at = new Date(startMs + seconds * 1000).toISOString();
  await pool.query(`create or replace function postern.now() returns timestamptz language plpgsql volatile
    set search_path = pg_catalog, pg_temp as $$ begin return timestamptz '${at}'; end $$`);
}

/** Adds a user with a password; @returns its id and the name to log in with. */
export async function addUser(stores: Stores, password: string): Promise<{ id: string; identifier: string }> {
  const id = newId();
  const identifier = `u${id.replaceAll("-", "")}@example.com`;
  await stores.users.create(
    {
      id,
      email: identifier,
      emailKey: identifier,
      username: undefined,
      usernameKey: undefined,
      roles: [],
      passwordHash: await passwordHasher.hash(password, signal),
    },
    { caller: "test", requestId: "" },
  );
  return { id, identifier };
}

/** Starts a replica on the database, with its own key ring, log reader and stores. */
export async function openReplica(url: string, faults: Faults = {}) {
  const opened = openStores(url, policy, { maxConnections: 2 });
  const stores = faults.stores?.(opened) ?? opened;
  const monotonicMs = () => performance.now();
  const material = createKeyMaterial({ masterKeys });
  const keyRing = await openKeyRing({
    keys: stores.keys,
    material,
    newId,
    signingAlg: "ES256",
    monotonicMs,
    pause: wait,
    onUnreadable(error) {
      throw error;
    },
  });
  const real = await openRevocationLogReader({
    log: stores.revocations,
    stalenessMs: 0,
    elapsedMs: monotonicMs,
    onRewind() {
      throw new Error("nothing rewinds the log here");
    },
    onKeys: (version) => void keyRing.follow(version).catch(() => {}),
  });
  const { current } = faults.logReader?.(real) ?? real;
  const passwordPolicy = { minLength: 1, isCommon: () => false };
  const deps = {
    ...stores,
    keyRing,
    knownRevocations: { current, notice() {} },
    issuer,
    policy,
    passwordHasher,
    loginBudgets,
    failedLogins: createFailedLogins({ audit: stores.audit, mac: { sign: (text) => text } }),
    nameOf: async () => "somebody",
    newId,
    passwordPolicy,
    defaultAudience: undefined,
    introspectStalenessMs: 0,
  };
  const requestId = "";
  return {
    stores,
    login: (identifier: string, password: string, clientId: string) =>
      login(deps, {
        caller,
        identifier,
        password,
        clientId,
        audience: ["api"],
        scope: [],
        device: "",
        deviceToken: "",
        clientAddress: "",
        userAgent: "",
        requestId,
        signal,
      }),
    refresh: (refreshToken: string, who: Caller, clientRequestId: string | undefined) =>
      refresh(deps, {
        caller: who,
        refreshToken,
        scope: [],
        clientId: undefined,
        clientRequestId,
        requestId,
      }),
    revoke: (target: RevokeTarget) => revoke(deps, { caller, target, requestId }),
    isActive: async (token: string) =>
      (await introspect(deps, { caller, token, audience: undefined })) !== undefined,
    setPassword: (userId: string, password: string) =>
      setPassword(deps, { caller, userId, password, requestId, signal }),
    setDisabled: (userId: string, disabled: boolean) =>
      (disabled ? disableUser : enableUser)(deps, { caller, userId, requestId }),
    close: () => opened[Symbol.asyncDispose](),
  };
}

/**
 * Which generations of a session the store would accept now, each asked as the most lenient retry, each in a
 * transaction that is undone.
 */
export async function acceptedGenerations(pool: Pool, sessionId: string): Promise<number[]> {
  const client = await pool.connect();
  const query = async (sql: string, values: readonly unknown[] = []) =>
    (await client.query(sql, [...values])).rows;
  const store = createSessionStore({ query }, policy);
  const accepted: number[] = [];
  try {
    const [session] = await query("select * from postern.sessions where id = $1", [sessionId]);
    for (let generation = 0; generation <= session.generation; generation++) {
      await client.query("begin");
      const { kind } = await store.rotate({
        sessionId,
        refreshKey: Number(session.refresh_key),
        generation,
        caller: session.caller,
        clientId: undefined,
        scope: undefined,
        clientRequestId: session.rotated_by ?? undefined,
        requestId: "",
      });
      await client.query("rollback");
      if (kind === "granted") accepted.push(generation);
    }
    return accepted;
  } finally {
    // Rolled back once more, so that a fault on the way leaves no open transaction to the next.
    await client.query("rollback");
    client.release();
  }
}

/** The reason behind a refusal; anything else that was thrown is thrown on. */
export function reasonOf(error: unknown): string {
  if (error instanceof AuthError) return error.reason;
  throw error;
}
