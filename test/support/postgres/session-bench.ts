import { afterAll, beforeAll, expect } from "vitest";
import type { RevocationLog } from "../../../services/auth/src/domain/ports/revocation-log.ts";
import type {
  NewSession,
  RotateOutcome,
  RotateRequest,
  SessionPolicy,
  SessionStore,
} from "../../../services/auth/src/domain/ports/session-store.ts";
import type { UserStore } from "../../../services/auth/src/domain/ports/user-store.ts";
import { newId } from "./stores.ts";

/** The stores of one replica: sessions, and what ends them. */
export interface SessionStores {
  readonly sessions: SessionStore;
  readonly users: UserStore;
  readonly revocations: RevocationLog;
}

export interface SessionStoreFixture extends AsyncDisposable {
  /** Two replicas on one state. */
  readonly both: readonly [SessionStores, SessionStores];
  /** Moves the store's time. */
  readonly advanceClock: (ms: number) => Promise<void>;
  /** Names of all audit events so far, in their order. */
  readonly auditEvents: () => Promise<string[]>;
}

export const minute = 60_000;

/** The stores of these suites are opened with this. */
export const suitePolicy: SessionPolicy = {
  accessTtlMs: 10 * minute,
  refreshGraceMs: 5 * minute,
  idleTtlMs: 60 * minute,
  sessionTtlMs: 100 * minute,
  maxSessions: 3,
};

export const actor = { caller: "test", requestId: "r" };
/** Of a token without a session. */
export const ofNobody = { userId: undefined, sessionId: undefined, clientId: "web" };
export const change = { actor, excludeAdmins: false };

/** A store per suite, and what its tests do again and again. */
export interface SessionBench {
  readonly fixture: SessionStoreFixture;
  readonly stores: SessionStores;
  readonly other: SessionStores;
  /** Adds a user; @returns what a login of theirs would open. */
  newLogin(overrides?: Partial<NewSession>): Promise<NewSession>;
  /** Opens a session, by default of a new user. */
  opened(login?: NewSession): Promise<NewSession>;
  rotate(session: NewSession, generation: number, overrides?: Partial<RotateRequest>): Promise<RotateOutcome>;
  /** Ids of the user's living sessions. */
  list(userId: string, clients?: readonly string[]): Promise<string[]>;
}

/** Opens the store before the tests of this suite, and closes it after them. */
export function useSessions(open: () => Promise<SessionStoreFixture>): SessionBench {
  let fixture: SessionStoreFixture;
  beforeAll(async () => {
    fixture = await open();
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  const bench: SessionBench = {
    get fixture() {
      return fixture;
    },
    get stores() {
      return fixture.both[0];
    },
    get other() {
      return fixture.both[1];
    },
    async newLogin(overrides = {}) {
      const { users } = bench.stores;
      const id = newId();
      const email = `u${id}@example.com`;
      const names = { email, emailKey: email, username: undefined, usernameKey: undefined };
      await users.create({ id, ...names, roles: ["reader"], passwordHash: "hash" }, actor);
      const snapshot = await users.readForLogin({ emailKey: email });
      if (snapshot === undefined) throw new Error("a user who was created is not found");
      const { passwordVersion, rev } = snapshot;
      return { ...template, id: newId(), userId: id, passwordVersion, rev, ...overrides };
    },
    async opened(login) {
      const session = login ?? (await bench.newLogin());
      expect((await bench.stores.sessions.open(session)).kind).toBe("opened");
      return session;
    },
    rotate(session, generation, overrides = {}) {
      return bench.stores.sessions.rotate({
        sessionId: session.id,
        refreshKey: session.refreshKey,
        generation,
        caller: session.caller,
        clientId: undefined,
        scope: undefined,
        clientRequestId: undefined,
        requestId: "r",
        ...overrides,
      });
    },
    async list(userId, clients) {
      const only = clients === undefined ? undefined : new Set(clients);
      const page = { userId, before: undefined, limit: 99, clients: only };
      return (await bench.stores.sessions.list(page)).map(({ id }) => id);
    },
  };
  return bench;
}

export function granted(generation: number) {
  return { kind: "granted", grant: { generation } };
}

const template = {
  caller: "gateway",
  clientId: "web",
  audience: ["api"],
  scope: ["read", "write"],
  amr: ["pwd"],
  refreshKey: 7,
  device: "phone",
  clientAddress: "192.0.2.1",
  userAgent: "test",
  requestId: "r",
};
