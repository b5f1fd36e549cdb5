import { describe, expect, test } from "vitest";
import type { NewSession, OpenOutcome } from "../../services/auth/src/domain/ports/session-store.ts";
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

/** What every session store must do when it opens, reads and lists sessions. */
export function sessionStoreSuite(open: () => Promise<SessionStoreFixture>): void {
  const bench = useSessions(open);
  const passGrace = () => bench.fixture.advanceClock(suitePolicy.refreshGraceMs);

  describe("open", () => {
    test("answers with the grant and the session", async () => {
      const login = await bench.newLogin();
      const outcome = (await bench.stores.sessions.open(login)) as Extract<OpenOutcome, { kind: "opened" }>;
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
      expect((await bench.stores.users.find({ id: login.userId }))?.loginCount).toBe(1);
    });

    const changes: [string, "stale" | "revoked", (login: NewSession) => Promise<unknown>][] = [
      [
        "the password was set",
        "stale",
        ({ userId }) => bench.stores.users.setPassword(userId, "new", change),
      ],
      [
        "the user was disabled",
        "stale",
        ({ userId }) => bench.stores.users.setDisabled(userId, true, change),
      ],
      ["the user was revoked", "revoked", ({ userId }) => bench.stores.revocations.revokeUser(userId, actor)],
      [
        "the client was revoked",
        "revoked",
        ({ clientId }) => bench.stores.revocations.revokeClient(clientId, actor),
      ],
      ["everything was revoked", "revoked", () => bench.stores.revocations.revokeEverything(actor)],
    ];

    test.each(changes)("after %s since it was read: %s", async (_, kind, happen) => {
      const login = await bench.newLogin();
      await happen(login);
      expect(await bench.stores.sessions.open(login)).toEqual({ kind });
      expect(await bench.list(login.userId)).toEqual([]);
      expect((await bench.stores.users.find({ id: login.userId }))?.loginCount).toBe(0);
    });

    test("an unknown user is stale", async () => {
      expect(await bench.stores.sessions.open({ ...(await bench.newLogin()), userId: newId() })).toEqual({
        kind: "stale",
      });
    });

    test("what was revoked of others does not matter", async () => {
      const login = await bench.newLogin();
      await bench.stores.revocations.revokeUser((await bench.newLogin()).userId, actor);
      await bench.stores.revocations.revokeClient("another client", actor);
      await bench.opened(login);
    });

    test("above the limit the oldest ends, in the log too", async () => {
      const login = await bench.newLogin();
      const before = await bench.stores.revocations.readAll();
      const made = [login];
      for (let i = 0; i < suitePolicy.maxSessions; i++) made.push({ ...login, id: newId() });
      for (const one of made) await bench.opened(one);
      const [oldest, ...rest] = made;
      expect(await bench.list(login.userId)).toEqual(rest.map(({ id }) => id).reverse());
      expect((await bench.rotate(oldest as NewSession, 0)).kind).toBe("ended");
      const { entries } = await bench.stores.revocations.readAfter(before.head);
      expect(entries?.map(({ target }) => target.kind)).toEqual(["session"]);
    });

    test("dead sessions do not push out a living one, however new they are", async () => {
      const first = await bench.newLogin({ clientId: "kept client" });
      await bench.opened(first);
      for (let i = 1; i < suitePolicy.maxSessions; i++) {
        await bench.opened({ ...first, id: newId(), clientId: "ended client" });
      }
      await bench.stores.revocations.revokeClient("ended client", actor);
      const last = { ...first, id: newId() };
      await bench.opened(last);
      expect(await bench.list(first.userId)).toEqual([last.id, first.id]);
    });
  });

  describe("the addresses that a user has logged in from", () => {
    const [here, there] = ["192.0.2.1", "2001:db8:1:2::/64"];
    const day = 86_400_000;

    /** Whether each of the addresses is known for the user of a login, asked of the other replica. */
    async function known(login: NewSession, ...addresses: string[]): Promise<(boolean | undefined)[]> {
      const user = await bench.other.users.find({ id: login.userId });
      const key = { emailKey: user?.email ?? "" };
      const snapshots = addresses.map((address) => bench.other.users.readForLogin(key, address));
      return (await Promise.all(snapshots)).map((snapshot) => snapshot?.knowsAddress);
    }

    /** Opens another session of the same user. */
    const openedFrom = (login: NewSession, addressKey: string) =>
      bench.opened({ ...login, id: newId(), addressKey });

    test("are known once a session has opened, for that user alone", async () => {
      const [login, another] = [await bench.newLogin(), await bench.newLogin()];
      expect(await known(login, here, there)).toEqual([false, false]);
      await openedFrom(login, here);
      expect(await known(login, here, there)).toEqual([true, false]);
      expect(await known(another, here)).toEqual([false]);
      await openedFrom(another, there);
      expect(await known(login, here, there)).toEqual([true, false]);
    });

    test("are not learned without a session, or without an address", async () => {
      const login = await bench.newLogin();
      await bench.opened({ ...login, id: newId() });
      await bench.stores.users.setPassword(login.userId, "new", change);
      expect(await bench.stores.sessions.open({ ...login, addressKey: here })).toEqual({ kind: "stale" });
      expect(await known(login, here, "", login.clientAddress)).toEqual([false, false, false]);
    });

    test("are known for 90 days after a login", async () => {
      const login = await bench.newLogin();
      await openedFrom(login, here);
      await bench.fixture.advanceClock(2 * day);
      await openedFrom(login, here);
      await bench.fixture.advanceClock(90 * day - minute);
      expect(await known(login, here)).toEqual([true]);
      await bench.fixture.advanceClock(minute);
      expect(await known(login, here)).toEqual([false]);
      await openedFrom(login, here);
      expect(await known(login, here)).toEqual([true]);
    });

    test("are the 32 newest, of users who log in from many", async () => {
      const login = await bench.newLogin();
      const all = Array.from({ length: 33 }, (_, host) => `192.0.2.${host}`);
      const [first = "", second = "", ...rest] = all;
      for (const address of all.slice(0, 32)) await openedFrom(login, address);
      expect(await known(login, ...all)).toEqual([...Array(32).fill(true), false]);
      await bench.fixture.advanceClock(2 * day);
      await openedFrom(login, first);
      await openedFrom(login, rest.at(-1) ?? "");
      expect(await known(login, first, second, ...rest)).toEqual([true, false, ...Array(31).fill(true)]);
    });

    test("that several sessions bring at once are all known", async () => {
      const login = await bench.newLogin();
      const addresses = [here, there, here, there];
      const outcomes = await Promise.all(
        addresses.map((addressKey, index) =>
          (index < 2 ? bench.stores : bench.other).sessions.open({ ...login, id: newId(), addressKey }),
        ),
      );
      expect(outcomes.map(({ kind }) => kind)).toEqual(Array(4).fill("opened"));
      expect(await known(login, here, there)).toEqual([true, true]);
    });
  });

  describe("readRefreshToken", () => {
    test("the current one, and for the grace the one before, is alive; reading spends nothing", async () => {
      const session = await bench.opened();
      const read = (generation: number, refreshKey = 7) =>
        bench.stores.sessions.readRefreshToken({ sessionId: session.id, refreshKey, generation });
      await passGrace();
      await bench.rotate(session, 0);
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
      expect(await bench.rotate(session, 1)).toMatchObject(granted(2));
    });
  });

  describe("list", () => {
    test("gives each living session once, the newest first, by pages and by client", async () => {
      const login = await bench.newLogin();
      const made = ["web", "app", "web"].map((clientId) => ({ ...login, id: newId(), clientId }));
      for (const one of made) await bench.opened(one);
      const page = (before: string | undefined) =>
        bench.stores.sessions.list({ userId: login.userId, before, limit: 2, clients: undefined });
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
      expect(await bench.list(login.userId, ["web"])).toEqual([c, a]);
      expect(await bench.list(login.userId, [])).toEqual([]);
      await bench.stores.revocations.revokeSession(b as string, undefined, actor);
      expect(await bench.list(login.userId)).toEqual([c, a]);
    });
  });
}
