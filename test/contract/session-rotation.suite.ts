import { describe, expect, test } from "vitest";
import type { NewSession } from "../../services/auth/src/domain/ports/session-store.ts";
import {
  actor,
  change,
  granted,
  minute,
  type SessionStoreFixture,
  suitePolicy,
  useSessions,
} from "../support/postgres/session-bench.ts";
import { newId } from "../support/postgres/stores.ts";

/** What every session store must do with refresh tokens that are shown. */
export function sessionRotationSuite(open: () => Promise<SessionStoreFixture>): void {
  const bench = useSessions(open);
  const passGrace = () => bench.fixture.advanceClock(suitePolicy.refreshGraceMs);

  describe("rotate", () => {
    test("a current token younger than the grace is kept", async () => {
      const session = await bench.opened();
      expect(await bench.rotate(session, 0)).toMatchObject(granted(0));
    });

    test("an older one is spent; within the grace it is answered with its successor", async () => {
      const session = await bench.opened();
      await passGrace();
      expect(await bench.rotate(session, 0)).toMatchObject(granted(1));
      expect(await bench.rotate(session, 0)).toMatchObject(granted(1));
      expect(await bench.rotate(session, 1)).toMatchObject(granted(1));
      expect(await bench.rotate(session, 0)).toMatchObject(granted(1));
    });

    test("of many on two replicas one rotates, and all get its successor", async () => {
      const session = await bench.opened();
      await passGrace();
      const request = { ...session, sessionId: session.id, generation: 0, clientId: undefined };
      const asked = { ...request, scope: undefined, clientRequestId: undefined };
      const outcomes = await Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          (i % 2 === 0 ? bench.stores.sessions : bench.other.sessions).rotate(asked),
        ),
      );
      for (const outcome of outcomes) expect(outcome).toMatchObject(granted(1));
    });

    test("spent longer ago than the grace it is reused: the session ends, in log and audit", async () => {
      const session = await bench.opened();
      await passGrace();
      await bench.rotate(session, 0);
      await passGrace();
      const { head } = await bench.stores.revocations.readAll();
      expect(await bench.rotate(session, 0)).toEqual({ kind: "reused" });
      expect(await bench.rotate(session, 1)).toEqual({ kind: "ended" });
      const { entries } = await bench.stores.revocations.readAfter(head);
      expect(entries?.map(({ target }) => target.kind)).toEqual(["session"]);
      expect(await bench.fixture.auditEvents()).toContain("refresh_reuse");
    });

    test("two generations back it is reused, however young", async () => {
      const session = await bench.opened();
      for (const generation of [0, 1]) {
        await passGrace();
        expect(await bench.rotate(session, generation)).toMatchObject(granted(generation + 1));
      }
      expect(await bench.rotate(session, 0)).toEqual({ kind: "reused" });
    });

    test("a retry with its `request_id` is answered until the successor is shown", async () => {
      const session = await bench.opened();
      const retry = { clientRequestId: "try" };
      await passGrace();
      expect(await bench.rotate(session, 0, retry)).toMatchObject(granted(1));
      await passGrace();
      expect(await bench.rotate(session, 0, retry)).toMatchObject(granted(1));
      expect(await bench.rotate(session, 1)).toMatchObject(granted(2));
      await passGrace();
      expect(await bench.rotate(session, 0, retry)).toEqual({ kind: "reused" });
    });

    test("a retry with another `request_id` is reused", async () => {
      const session = await bench.opened();
      await passGrace();
      await bench.rotate(session, 0, { clientRequestId: "try" });
      await passGrace();
      expect(await bench.rotate(session, 0, { clientRequestId: "another" })).toEqual({ kind: "reused" });
    });

    test("an unknown session, or another key than its own, is unknown", async () => {
      const session = await bench.opened();
      expect(await bench.rotate(session, 0, { sessionId: newId() })).toEqual({ kind: "unknown" });
      expect(await bench.rotate(session, 0, { refreshKey: 8 })).toEqual({ kind: "unknown" });
    });

    test.each([{ caller: "outsider" }, { clientId: "outsider" }])(
      "by another caller (%o) it is foreign, audited, not spent and not reuse",
      async (outsider) => {
        const session = await bench.opened();
        await passGrace();
        await bench.rotate(session, 0);
        await passGrace();
        const before = await bench.fixture.auditEvents();
        for (const generation of [0, 1]) {
          expect(await bench.rotate(session, generation, outsider)).toEqual({ kind: "foreign" });
        }
        const added = (await bench.fixture.auditEvents()).slice(before.length);
        expect(added).toEqual(["refresh_foreign"]);
        expect(await bench.rotate(session, 1)).toMatchObject(granted(2));
      },
    );

    test("more scope than the session has is refused and spends nothing; less is granted", async () => {
      const session = await bench.opened();
      await passGrace();
      expect(await bench.rotate(session, 0, { scope: ["read", "admin"] })).toEqual({
        kind: "scope_too_wide",
      });
      expect(await bench.rotate(session, 0, { scope: ["read"] })).toMatchObject(granted(1));
    });

    test("a generation above the stored one moves the session forward, audited", async () => {
      const session = await bench.opened();
      const before = await bench.fixture.auditEvents();
      expect(await bench.rotate(session, 5)).toMatchObject(granted(6));
      const added = (await bench.fixture.auditEvents()).slice(before.length);
      expect(added).toEqual(["refresh_generation_ahead"]);
      expect(await bench.rotate(session, 4)).toEqual({ kind: "reused" });
    });

    test("the grant has the user's roles of now", async () => {
      const session = await bench.opened();
      await bench.stores.users.setRoles(session.userId, ["writer"], change);
      expect(await bench.rotate(session, 0)).toMatchObject({ grant: { roles: ["writer"] } });
    });

    const ends: [string, (session: NewSession) => Promise<unknown>][] = [
      ["its own revocation", ({ id }) => bench.stores.revocations.revokeSession(id, undefined, actor)],
      ["its user's revocation", ({ userId }) => bench.stores.revocations.revokeUser(userId, actor)],
      ["its client's revocation", ({ clientId }) => bench.stores.revocations.revokeClient(clientId, actor)],
      ["the revocation of everything", () => bench.stores.revocations.revokeEverything(actor)],
      ["a recovery", () => bench.stores.revocations.recover(actor)],
      ["a new password", ({ userId }) => bench.stores.users.setPassword(userId, "new", change)],
      ["a disable", ({ userId }) => bench.stores.users.setDisabled(userId, true, change)],
      [
        "a disable that was taken back",
        async ({ userId }) => {
          await bench.stores.users.setDisabled(userId, true, change);
          await bench.stores.users.setDisabled(userId, false, change);
        },
      ],
      ["too long without a refresh", () => bench.fixture.advanceClock(suitePolicy.idleTtlMs)],
      [
        "its absolute life",
        async (session) => {
          await bench.fixture.advanceClock(suitePolicy.idleTtlMs - minute);
          expect(await bench.rotate(session, 0)).toMatchObject(granted(1));
          await bench.fixture.advanceClock(suitePolicy.sessionTtlMs - suitePolicy.idleTtlMs + minute);
        },
      ],
    ];

    test.each(ends)(
      "after %s it is ended, on both replicas, to introspection and in lists",
      async (_, end) => {
        const session = await bench.opened();
        const request = { ...session, sessionId: session.id, clientId: undefined, scope: undefined };
        const token = { sessionId: session.id, refreshKey: session.refreshKey };
        expect((await bench.stores.sessions.readRefreshToken({ ...token, generation: 0 })).kind).toBe(
          "alive",
        );
        await end(session);
        for (const store of [bench.stores.sessions, bench.other.sessions]) {
          for (const generation of [0, 1]) {
            const outcome = await store.rotate({ ...request, generation, clientRequestId: undefined });
            expect(outcome).toEqual({ kind: "ended" });
            expect(await store.readRefreshToken({ ...token, generation })).toEqual({ kind: "dead" });
          }
        }
        expect(await bench.list(session.userId)).toEqual([]);
      },
    );
  });
}
