import { describe, expect, test } from "vitest";
import type { Caller } from "../../services/auth/src/domain/caller/caller.ts";
import type { AuditStore } from "../../services/auth/src/domain/ports/audit-store.ts";
import type { NewSession } from "../../services/auth/src/domain/ports/session-store.ts";
import { describeSession } from "../../services/auth/src/domain/session/describe-session.ts";
import { sessionState } from "../../services/auth/src/domain/session/session-state.ts";
import {
  actor,
  change,
  minute,
  type SessionStoreFixture,
  type SessionStores,
  suitePolicy,
  useSessions,
} from "../support/postgres/session-bench.ts";
import { newId } from "../support/postgres/stores.ts";

type WithAudit = SessionStores & { readonly audit: AuditStore };

export interface SessionRecordsFixture extends SessionStoreFixture {
  readonly both: readonly [WithAudit, WithAudit];
}

const none: ReadonlySet<string> = new Set();
const admin: Caller = {
  name: "admin",
  permissions: new Set(["admin"] as const),
  trustedAddress: false,
  scopes: none,
  audiences: none,
  clients: none,
};

/** Ended sessions: the store's record, and its description from the audit. */
export function sessionRecordsSuite(open: () => Promise<SessionRecordsFixture>): void {
  let fixture: SessionRecordsFixture;
  const bench = useSessions(async () => {
    fixture = await open();
    return fixture;
  });
  const find = (id: string) => bench.other.sessions.find(id);
  const story = async (id: string) => {
    const { state, why, endedAt, endedBy, events, session } = await describeSession(
      { ...fixture.both[1], monotonicMs: () => performance.now() },
      {
        caller: admin,
        sessionId: id,
      },
    );
    const names = events.map(({ event }) => event);
    return { state, why, endedAt, by: endedBy?.event, caller: endedBy?.caller, events: names, session };
  };
  const pass = (ms: number) => fixture.advanceClock(ms);

  test("a session is found with all that is known of it", async () => {
    const opened = await bench.opened();
    const { userId, caller, clientId, device, clientAddress, userAgent, scope, audience, amr } = opened;
    const found = await find(opened.id);
    expect(found).toMatchObject({
      id: opened.id,
      userId,
      caller,
      clientId,
      device,
      clientAddress,
      userAgent,
      scope,
      audience,
      amr,
      ended: undefined,
      cutoffs: [],
    });
    const at = (date: Date | undefined) => (date?.getTime() ?? 0) - (found?.createdAt.getTime() ?? 0);
    expect([at(found?.expiresAt), at(found?.idleAt), at(found?.lastUsedAt)]).toEqual([
      suitePolicy.sessionTtlMs,
      suitePolicy.idleTtlMs,
      0,
    ]);
    expect(await find(newId())).toBeUndefined();
  });

  test("sessions are searched by user, by client or both, the newest first and by pages, over or not", async () => {
    const login = await bench.newLogin({ clientId: "searched" });
    const [a, b, c] = [
      login,
      { ...login, id: newId() },
      { ...login, id: newId(), clientId: "also searched" },
    ];
    for (const one of [a, b, c]) await bench.opened(one);
    const outsider = await bench.opened(await bench.newLogin({ clientId: "searched" }));
    await bench.stores.revocations.revokeSession(b.id, undefined, actor);
    const search = async (wanted: { userId?: string; clientId?: string; all?: boolean }, page = {}) =>
      (
        await bench.other.sessions.search({
          userId: undefined,
          clientId: undefined,
          all: false,
          before: undefined,
          limit: 10,
          ...wanted,
          ...page,
        })
      ).map(({ id }) => id);
    const { userId } = login;
    expect(await search({ userId })).toEqual([c.id, a.id]);
    expect(await search({ userId, all: true })).toEqual([c.id, b.id, a.id]);
    expect(await search({ userId, all: true }, { limit: 2 })).toEqual([c.id, b.id]);
    expect(await search({ userId, all: true }, { limit: 2, before: b.id })).toEqual([a.id]);
    expect(await search({ clientId: "searched" })).toEqual([outsider.id, a.id]);
    expect(await search({ clientId: "searched", all: true })).toEqual([outsider.id, b.id, a.id]);
    expect(await search({ userId, clientId: "searched" })).toEqual([a.id]);
    expect(await search({ clientId: "nobody's" })).toEqual([]);
  });

  describe("what became of a session", () => {
    test("that lives: nothing has ended it", async () => {
      const { id } = await bench.opened();
      expect(await story(id)).toMatchObject({ state: "active", endedAt: undefined, events: ["login"] });
    });

    const ends: [string, string, string, (session: NewSession) => Promise<unknown>][] = [
      [
        "revoked by its id",
        "ended",
        "session_revoked",
        ({ id }) => bench.stores.revocations.revokeSession(id, undefined, actor),
      ],
      [
        "whose user was revoked",
        "revoked by user",
        "user_revoked",
        ({ userId }) => bench.stores.revocations.revokeUser(userId, actor),
      ],
      [
        "whose user's password was set",
        "revoked by user",
        "password_set",
        ({ userId }) => bench.stores.users.setPassword(userId, "new", change),
      ],
      [
        "whose user was disabled",
        "revoked by user",
        "user_disabled",
        ({ userId }) => bench.stores.users.setDisabled(userId, true, change),
      ],
      [
        "whose client was revoked",
        "revoked by client",
        "client_revoked",
        ({ clientId }) => bench.stores.revocations.revokeClient(clientId, actor),
      ],
      [
        "that went with everything",
        "revoked by everything",
        "everything_revoked",
        () => bench.stores.revocations.revokeEverything(actor),
      ],
    ];
    test.each(ends)("%s: %s by %s, whatever happens later", async (_, state, event, end) => {
      const session = await bench.opened();
      await pass(minute);
      await end(session);
      const record = await find(session.id);
      expect(record === undefined ? undefined : sessionState(record)).toBe(state);
      await pass(minute);
      await bench.stores.revocations.revokeUser(session.userId, { caller: "later", requestId: "" });
      await pass(suitePolicy.sessionTtlMs);
      const result = await story(session.id);
      expect(result).toMatchObject({ state, by: event, caller: "test", events: ["login", event] });
      const tookMs = (result.endedAt?.getTime() ?? 0) - result.session.createdAt.getTime();
      expect(Math.floor(tookMs / minute)).toBe(1);
    });

    test("of which a spent token was shown: reuse, by whom", async () => {
      const session = await bench.opened();
      await pass(suitePolicy.refreshGraceMs);
      await bench.rotate(session, 0);
      await pass(suitePolicy.refreshGraceMs);
      expect((await bench.rotate(session, 0)).kind).toBe("reused");
      expect(await story(session.id)).toMatchObject({
        state: "ended",
        by: "refresh_reuse",
        caller: "gateway",
        events: ["login", "refresh_reuse"],
        why: expect.stringContaining("stolen"),
      });
    });

    test("that made room for a newer one", async () => {
      const login = await bench.newLogin();
      const made = Array.from({ length: suitePolicy.maxSessions + 1 }, () => ({ ...login, id: newId() }));
      for (const one of made) await bench.opened(one);
      expect(await story(made[0]?.id ?? "")).toMatchObject({ state: "ended", by: "session_ended" });
    });

    test("that was idle or expired before its user was revoked", async () => {
      const idle = await bench.opened();
      const { idleAt } = (await find(idle.id)) ?? {};
      await pass(suitePolicy.idleTtlMs);
      await bench.stores.revocations.revokeUser(idle.userId, actor);
      expect(await story(idle.id)).toMatchObject({ state: "idle", endedAt: idleAt, by: undefined });

      const kept = await bench.opened();
      const { expiresAt } = (await find(kept.id)) ?? {};
      await pass(suitePolicy.idleTtlMs - minute);
      await bench.rotate(kept, 0);
      await pass(suitePolicy.sessionTtlMs - suitePolicy.idleTtlMs + minute);
      expect(await story(kept.id)).toMatchObject({ state: "expired", endedAt: expiresAt, by: undefined });
    });

    test("of a user whose roles were changed: only an administrator's end ends it", async () => {
      const session = await bench.opened();
      const set = (...roles: string[]) => bench.stores.users.setRoles(session.userId, roles, change);
      await set("admin");
      await set("admin", "reader");
      expect(await story(session.id)).toMatchObject({ state: "active" });
      await pass(minute);
      await set("reader");
      await pass(minute);
      await set("writer");
      const result = await story(session.id);
      expect(result).toMatchObject({ state: "revoked by user", by: "roles_set" });
      const tookMs = (result.endedAt?.getTime() ?? 0) - result.session.createdAt.getTime();
      expect(Math.floor(tookMs / minute)).toBe(1);
    });

    test("that is unknown: NOT_FOUND", async () => {
      await expect(story(newId())).rejects.toMatchObject({ reason: "NOT_FOUND" });
    });
  });
}
