import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RevocationLog } from "../../services/auth/src/domain/ports/revocation-log.ts";
import type {
  NewSession,
  OpenOutcome,
  RotateRequest,
  SessionPolicy,
  SessionStore,
} from "../../services/auth/src/domain/ports/session-store.ts";
import type { UserStore } from "../../services/auth/src/domain/ports/user-store.ts";
import { newId } from "../support/stores.ts";

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

const minute = 60_000;

/** The stores of the suite are opened with this. */
export const suitePolicy: SessionPolicy = {
  accessTtlMs: 10 * minute,
  refreshGraceMs: 5 * minute,
  idleTtlMs: 60 * minute,
  sessionTtlMs: 100 * minute,
  maxSessions: 3,
};

const actor = { caller: "test", requestId: "r" };
const change = { actor, sparesAdmins: false };

/** What every session store must do. */
export function sessionStoreSuite(open: () => Promise<SessionStoreFixture>): void {
  let fixture: SessionStoreFixture;
  let sessions: SessionStore;
  let users: UserStore;
  let revocations: RevocationLog;
  let other: SessionStores;

  beforeAll(async () => {
    fixture = await open();
    [{ sessions, users, revocations }, other] = fixture.both;
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  /** A new user, and what a login of theirs would open. */
  async function newLogin(overrides: Partial<NewSession> = {}): Promise<NewSession & { emailKey: string }> {
    const id = newId();
    const email = `u${id}@example.com`;
    const names = { email, emailKey: email, username: undefined, usernameKey: undefined };
    await users.create({ id, ...names, roles: ["reader"], passwordHash: "hash" }, actor);
    const snapshot = await users.readForLogin({ emailKey: email });
    if (snapshot === undefined) throw new Error("a user who was created is not found");
    const { passwordVersion, rev } = snapshot;
    return { ...template, id: newId(), userId: id, passwordVersion, rev, ...overrides, emailKey: email };
  }

  async function opened(login?: NewSession): Promise<NewSession> {
    const session = login ?? (await newLogin());
    expect((await sessions.open(session)).kind).toBe("opened");
    return session;
  }

  function rotate(session: NewSession, generation: number, overrides: Partial<RotateRequest> = {}) {
    return sessions.rotate({
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
  }

  const granted = (generation: number) => ({ kind: "granted", grant: { generation } });
  const passGrace = () => fixture.advanceClock(suitePolicy.refreshGraceMs);

  describe("open", () => {
    test("answers with the grant and the session", async () => {
      const login = await newLogin();
      const outcome = (await sessions.open(login)) as Extract<OpenOutcome, { kind: "opened" }>;
      expect(outcome).toMatchObject({
        kind: "opened",
        grant: {
          sessionId: login.id,
          userId: login.userId,
          clientId: "web",
          audience: ["api"],
          scope: ["read", "write"],
          roles: ["reader"],
          amr: ["pwd"],
          rev: login.rev,
          refreshKey: 7,
          generation: 0,
        },
        session: { id: login.id, userId: login.userId, device: "phone", clientAddress: "192.0.2.1" },
      });
      const { grant, session } = outcome;
      expect(grant.authTime).toEqual(grant.now);
      expect(grant.endsAt.getTime() - grant.now.getTime()).toBe(suitePolicy.idleTtlMs);
      expect(session.expiresAt.getTime() - session.createdAt.getTime()).toBe(suitePolicy.sessionTtlMs);
      expect((await users.find({ id: login.userId }))?.loginCount).toBe(1);
    });

    const changes: [string, "stale" | "revoked", (login: NewSession) => Promise<unknown>][] = [
      ["the password was set", "stale", ({ userId }) => users.setPassword(userId, "new", change)],
      ["the user was disabled", "stale", ({ userId }) => users.setDisabled(userId, true, change)],
      ["the user was revoked", "revoked", ({ userId }) => revocations.revokeUser(userId, actor)],
      ["the client was revoked", "revoked", ({ clientId }) => revocations.revokeClient(clientId, actor)],
      ["everything was revoked", "revoked", () => revocations.revokeEverything(actor)],
    ];

    test.each(changes)("after %s since it was read: %s", async (_, kind, happen) => {
      const login = await newLogin();
      await happen(login);
      expect(await sessions.open(login)).toEqual({ kind });
      expect(await list(login.userId)).toEqual([]);
      expect((await users.find({ id: login.userId }))?.loginCount).toBe(0);
    });

    test("an unknown user is stale", async () => {
      expect(await sessions.open({ ...(await newLogin()), userId: newId() })).toEqual({ kind: "stale" });
    });

    test("what was revoked of others does not matter", async () => {
      const login = await newLogin();
      await revocations.revokeUser((await newLogin()).userId, actor);
      await revocations.revokeClient("another client", actor);
      await opened(login);
    });

    test("above the limit the oldest ends, in the log too", async () => {
      const login = await newLogin();
      const before = await revocations.readAll();
      const made = [login];
      for (let i = 0; i < suitePolicy.maxSessions; i++) made.push({ ...login, id: newId() });
      for (const one of made) await opened(one);
      const [oldest, ...rest] = made;
      expect(await list(login.userId)).toEqual(rest.map(({ id }) => id).reverse());
      expect((await rotate(oldest as NewSession, 0)).kind).toBe("ended");
      const { entries } = await revocations.readAfter(before.head);
      expect(entries?.map(({ target }) => target.kind)).toEqual(["session"]);
    });

    test("dead sessions do not push out a living one, however new they are", async () => {
      const first = await newLogin({ clientId: "kept client" });
      await opened(first);
      for (let i = 1; i < suitePolicy.maxSessions; i++) {
        await opened({ ...first, id: newId(), clientId: "ended client" });
      }
      await revocations.revokeClient("ended client", actor);
      const last = { ...first, id: newId() };
      await opened(last);
      expect(await list(first.userId)).toEqual([last.id, first.id]);
    });
  });

  describe("rotate", () => {
    test("a current token younger than the grace is kept", async () => {
      const session = await opened();
      expect(await rotate(session, 0)).toMatchObject(granted(0));
    });

    test("an older one is spent; within the grace it is answered with its successor", async () => {
      const session = await opened();
      await passGrace();
      expect(await rotate(session, 0)).toMatchObject(granted(1));
      expect(await rotate(session, 0)).toMatchObject(granted(1));
      expect(await rotate(session, 1)).toMatchObject(granted(1));
      expect(await rotate(session, 0)).toMatchObject(granted(1));
    });

    test("of many on two replicas one rotates, and all get its successor", async () => {
      const session = await opened();
      await passGrace();
      const request = { ...session, sessionId: session.id, generation: 0, clientId: undefined };
      const asked = { ...request, scope: undefined, clientRequestId: undefined };
      const outcomes = await Promise.all(
        Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? sessions : other.sessions).rotate(asked)),
      );
      for (const outcome of outcomes) expect(outcome).toMatchObject(granted(1));
    });

    test("spent longer ago than the grace it is reused: the session ends, in log and audit", async () => {
      const session = await opened();
      await passGrace();
      await rotate(session, 0);
      await passGrace();
      const { head } = await revocations.readAll();
      expect(await rotate(session, 0)).toEqual({ kind: "reused" });
      expect(await rotate(session, 1)).toEqual({ kind: "ended" });
      const { entries } = await revocations.readAfter(head);
      expect(entries?.map(({ target }) => target.kind)).toEqual(["session"]);
      expect(await fixture.auditEvents()).toContain("refresh_reuse");
    });

    test("two generations back it is reused, however young", async () => {
      const session = await opened();
      for (const generation of [0, 1]) {
        await passGrace();
        expect(await rotate(session, generation)).toMatchObject(granted(generation + 1));
      }
      expect(await rotate(session, 0)).toEqual({ kind: "reused" });
    });

    test("a retry with its `request_id` is answered until the successor is shown", async () => {
      const session = await opened();
      const retry = { clientRequestId: "try" };
      await passGrace();
      expect(await rotate(session, 0, retry)).toMatchObject(granted(1));
      await passGrace();
      expect(await rotate(session, 0, retry)).toMatchObject(granted(1));
      expect(await rotate(session, 1)).toMatchObject(granted(2));
      await passGrace();
      expect(await rotate(session, 0, retry)).toEqual({ kind: "reused" });
    });

    test("a retry with another `request_id` is reused", async () => {
      const session = await opened();
      await passGrace();
      await rotate(session, 0, { clientRequestId: "try" });
      await passGrace();
      expect(await rotate(session, 0, { clientRequestId: "another" })).toEqual({ kind: "reused" });
    });

    test("an unknown session, or another key than its own, is unknown", async () => {
      const session = await opened();
      expect(await rotate(session, 0, { sessionId: newId() })).toEqual({ kind: "unknown" });
      expect(await rotate(session, 0, { refreshKey: 8 })).toEqual({ kind: "unknown" });
    });

    test.each([{ caller: "stranger" }, { clientId: "stranger" }])(
      "by a stranger (%o) it is foreign, audited, not spent and not reuse",
      async (stranger) => {
        const session = await opened();
        await passGrace();
        await rotate(session, 0);
        await passGrace();
        const before = await fixture.auditEvents();
        for (const generation of [0, 1]) {
          expect(await rotate(session, generation, stranger)).toEqual({ kind: "foreign" });
        }
        const added = (await fixture.auditEvents()).slice(before.length);
        expect(added).toEqual(["refresh_foreign", "refresh_foreign"]);
        expect(await rotate(session, 1)).toMatchObject(granted(2));
      },
    );

    test("more scope than the session has is refused and spends nothing; less is granted", async () => {
      const session = await opened();
      await passGrace();
      expect(await rotate(session, 0, { scope: ["read", "admin"] })).toEqual({ kind: "scope_too_wide" });
      expect(await rotate(session, 0, { scope: ["read"] })).toMatchObject(granted(1));
    });

    test("a generation above the stored one moves the session forward, audited", async () => {
      const session = await opened();
      const before = await fixture.auditEvents();
      expect(await rotate(session, 5)).toMatchObject(granted(6));
      const added = (await fixture.auditEvents()).slice(before.length);
      expect(added).toEqual(["refresh_generation_ahead"]);
      expect(await rotate(session, 4)).toEqual({ kind: "reused" });
    });

    test("the grant has the user's roles of now", async () => {
      const session = await opened();
      await users.setRoles(session.userId, ["writer"], change);
      expect(await rotate(session, 0)).toMatchObject({ grant: { roles: ["writer"] } });
    });

    const ends: [string, (session: NewSession) => Promise<unknown>][] = [
      ["its own revocation", ({ id }) => revocations.revokeSession(id, undefined, actor)],
      ["its user's revocation", ({ userId }) => revocations.revokeUser(userId, actor)],
      ["its client's revocation", ({ clientId }) => revocations.revokeClient(clientId, actor)],
      ["the revocation of everything", () => revocations.revokeEverything(actor)],
      ["a recovery", () => revocations.recover(actor)],
      ["a new password", ({ userId }) => users.setPassword(userId, "new", change)],
      ["a disable", ({ userId }) => users.setDisabled(userId, true, change)],
      [
        "a disable that was taken back",
        async ({ userId }) => {
          await users.setDisabled(userId, true, change);
          await users.setDisabled(userId, false, change);
        },
      ],
      ["too long without a refresh", () => fixture.advanceClock(suitePolicy.idleTtlMs)],
      [
        "its absolute life",
        async (session) => {
          await fixture.advanceClock(suitePolicy.idleTtlMs - minute);
          expect(await rotate(session, 0)).toMatchObject(granted(1));
          await fixture.advanceClock(suitePolicy.sessionTtlMs - suitePolicy.idleTtlMs + minute);
        },
      ],
    ];

    test.each(ends)(
      "after %s it is ended, on both replicas, to introspection and in lists",
      async (_, end) => {
        const session = await opened();
        const request = { ...session, sessionId: session.id, clientId: undefined, scope: undefined };
        const token = { sessionId: session.id, refreshKey: session.refreshKey };
        expect((await sessions.readRefreshToken({ ...token, generation: 0 })).kind).toBe("alive");
        await end(session);
        for (const store of [sessions, other.sessions]) {
          for (const generation of [0, 1]) {
            const outcome = await store.rotate({ ...request, generation, clientRequestId: undefined });
            expect(outcome).toEqual({ kind: "ended" });
            expect(await store.readRefreshToken({ ...token, generation })).toEqual({ kind: "dead" });
          }
        }
        expect(await list(session.userId)).toEqual([]);
      },
    );
  });

  describe("readRefreshToken", () => {
    test("the current one, and for the grace the one before, is alive; reading spends nothing", async () => {
      const session = await opened();
      const read = (generation: number, refreshKey = 7) =>
        sessions.readRefreshToken({ sessionId: session.id, refreshKey, generation });
      await passGrace();
      await rotate(session, 0);
      for (const generation of [0, 1]) {
        expect(await read(generation)).toMatchObject({
          kind: "alive",
          caller: session.caller,
          grant: { sessionId: session.id, generation: 1 },
        });
      }
      expect(await read(1, 8)).toEqual({ kind: "dead" });
      await passGrace();
      expect((await read(0)).kind).toBe("dead");
      expect((await read(1)).kind).toBe("alive");
      expect(await rotate(session, 1)).toMatchObject(granted(2));
    });
  });

  describe("list", () => {
    test("gives each living session once, the newest first, by pages and by client", async () => {
      const login = await newLogin();
      const made = ["web", "app", "web"].map((clientId) => ({ ...login, id: newId(), clientId }));
      for (const one of made) await opened(one);
      const page = (before: string | undefined) =>
        sessions.list({ userId: login.userId, before, limit: 2, clients: undefined });
      const first = await page(undefined);
      const second = await page(first.at(-1)?.id);
      const [a, b, c] = made.map(({ id }) => id);
      expect([first, second].map((sessions) => sessions.map(({ id }) => id))).toEqual([[c, b], [a]]);
      expect(first[0]).toMatchObject({
        userId: login.userId,
        clientId: "web",
        device: "phone",
        amr: ["pwd"],
      });
      expect(await list(login.userId, ["web"])).toEqual([c, a]);
      expect(await list(login.userId, [])).toEqual([]);
      await revocations.revokeSession(b as string, undefined, actor);
      expect(await list(login.userId)).toEqual([c, a]);
    });
  });

  async function list(userId: string, clients?: string[]): Promise<string[]> {
    const only = clients === undefined ? undefined : new Set(clients);
    const found = await sessions.list({ userId, before: undefined, limit: 99, clients: only });
    return found.map(({ id }) => id);
  }
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
