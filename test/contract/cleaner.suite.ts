import { describe, expect, test } from "vitest";
import type { CleanedKind, Cleaner } from "../../services/auth/src/domain/ports/cleaner.ts";
import type { NewSession } from "../../services/auth/src/domain/ports/session-store.ts";
import {
  actor,
  granted,
  minute,
  ofNobody,
  type SessionStoreFixture,
  type SessionStores,
  suitePolicy,
  useSessions,
} from "../support/postgres/session-bench.ts";
import { newId } from "../support/postgres/stores.ts";

type WithCleaner = SessionStores & { readonly cleaner: Cleaner };

export interface CleanerFixture extends SessionStoreFixture {
  readonly both: readonly [WithCleaner, WithCleaner];
}

const day = 24 * 60 * minute;
/** The longest access token, and the 2 minutes that an entry outlasts it. */
const entryLife = 62 * minute;

/** What every cleaner must do: what must go goes, what must stay stays. */
export function cleanerSuite(open: () => Promise<CleanerFixture>): void {
  let fixture: CleanerFixture;
  const bench = useSessions(async () => {
    fixture = await open();
    return fixture;
  });
  const batch = (kind: CleanedKind, limit = 1_000, from?: Date) =>
    fixture.both[0].cleaner.clean(kind, { limit, from });
  const rows = async (kind: CleanedKind) => {
    const outcome = await batch(kind);
    return outcome.kind === "cleaned" ? outcome.rows : outcome.kind;
  };
  /** Leaves nothing behind that another test would count. */
  async function begin(kind: CleanedKind): Promise<void> {
    await fixture.advanceClock(200 * day);
    while ((await rows(kind)) === 1_000);
  }

  describe("sessions", () => {
    /** The outcome of a refresh: `unknown` after the row was deleted. */
    const asked = async (session: NewSession) => (await bench.rotate(session, 0)).kind;

    test("stay for a day after their end, ended before it or not, and go then", async () => {
      await begin("sessions");
      const lapsed = await bench.opened();
      const revoked = await bench.opened();
      await bench.stores.revocations.revokeSession(revoked.id, undefined, actor);
      await fixture.advanceClock(suitePolicy.sessionTtlMs + day - minute);
      expect(await rows("sessions")).toBe(0);
      expect([await asked(lapsed), await asked(revoked)]).toEqual(["ended", "ended"]);
      const young = await bench.opened();
      await fixture.advanceClock(minute);
      expect(await rows("sessions")).toBe(2);
      expect([await asked(lapsed), await asked(revoked)]).toEqual(["unknown", "unknown"]);
      expect(await bench.rotate(young, 0)).toMatchObject(granted(0));
    });

    test("C10: a token that was spent long ago is known as long as its session might live", async () => {
      await begin("sessions");
      const session = await bench.opened();
      for (const generation of [0, 1]) {
        await fixture.advanceClock(suitePolicy.sessionTtlMs / 2 - minute);
        expect(await bench.rotate(session, generation)).toMatchObject(granted(generation + 1));
      }
      expect(await rows("sessions")).toBe(0);
      expect((await bench.rotate(session, 0)).kind).toBe("reused");
    });

    test("are deleted in the order of their ends, up to the limit, from where the last batch ended", async () => {
      await begin("sessions");
      const made: NewSession[] = [];
      for (let i = 0; i < 5; i++) {
        made.push(await bench.opened());
        await fixture.advanceClock(minute);
      }
      await fixture.advanceClock(suitePolicy.sessionTtlMs + day);
      const first = await batch("sessions", 2);
      expect(first).toEqual({ kind: "cleaned", rows: 2, upTo: expect.any(Date) });
      const kinds = await Promise.all(made.map(asked));
      expect(kinds).toEqual(["unknown", "unknown", "ended", "ended", "ended"]);
      const from = first.kind === "cleaned" ? first.upTo : undefined;
      expect(await batch("sessions", 2, from)).toMatchObject({ kind: "cleaned", rows: 2 });
      expect(await batch("sessions", 2, from)).toMatchObject({ kind: "cleaned", rows: 1 });
      expect(await batch("sessions", 2, from)).toEqual({ kind: "cleaned", rows: 0, upTo: undefined });
    });

    test("go once, however many replicas are at it", async () => {
      await begin("sessions");
      for (let i = 0; i < 20; i++) await bench.opened();
      await fixture.advanceClock(suitePolicy.sessionTtlMs + day);
      let cleaned = 0;
      for (let round = 0; cleaned < 20 && round < 100; round++) {
        const outcomes = await Promise.all(
          [0, 1, 0, 1].map((one) =>
            (fixture.both[one] as WithCleaner).cleaner.clean("sessions", { limit: 3, from: undefined }),
          ),
        );
        for (const outcome of outcomes) if (outcome.kind === "cleaned") cleaned += outcome.rows;
        expect(outcomes.some(({ kind }) => kind === "cleaned")).toBe(true);
      }
      expect(cleaned).toBe(20);
      expect(await rows("sessions")).toBe(0);
    });
  });

  describe("the revocation log", () => {
    test("keeps an entry for an hour longer than it can hit; its head stays where it was", async () => {
      await begin("revocations");
      const { revocations } = bench.stores;
      const known = (await revocations.readAll()).head;
      const first = await revocations.revokeClient("some client", actor);
      await fixture.advanceClock(entryLife + 59 * minute);
      expect(await rows("revocations")).toBe(0);
      expect((await revocations.readAfter(known)).entries).toHaveLength(1);
      const second = await revocations.revokeUser((await bench.opened()).userId, actor);
      await fixture.advanceClock(minute);
      expect(await rows("revocations")).toBe(1);
      // A reader before the first entry finds a gap, and not an end of the log before its head.
      const { head, entries } = await revocations.readAfter(known);
      expect([first, second].map((outcome) => "seq" in outcome && outcome.seq - known.seq)).toEqual([1, 2]);
      expect(head.seq).toBe(known.seq + 2);
      expect(entries?.map(({ seq }) => seq)).toEqual([known.seq + 2]);
      expect(entries?.[0]?.previousId).not.toBe(known.tail);
    });

    test("counts on without its entries, and revokes no token twice", async () => {
      await begin("revocations");
      const { revocations } = bench.stores;
      const before = await revocations.readSeq();
      const tokenId = newId();
      const now = (await revocations.readAll()).now.getTime();
      const end = new Date(now + 10 * minute);
      const again = () => revocations.revokeToken(tokenId, end, actor, ofNobody);
      expect(await again()).toEqual({ kind: "revoked", seq: before + 1 });
      await fixture.advanceClock(72 * minute);
      expect(await rows("revocations")).toBe(1);
      expect(await again()).toEqual({ kind: "already", seq: before + 1 });
      expect(await revocations.revokeClient("some client", actor)).toEqual({
        kind: "revoked",
        seq: before + 2,
      });
    });

    test("goes on to keep out, by its marks, a login that began before an entry which is gone", async () => {
      const login = await bench.newLogin({ clientId: "marked client" });
      await bench.stores.revocations.revokeClient("marked client", actor);
      await fixture.advanceClock(entryLife + 60 * minute);
      expect(await rows("revocations")).toBeGreaterThan(0);
      expect((await bench.stores.sessions.open(login)).kind).toBe("revoked");
    });
  });

  test("addresses are forgotten 180 days after the last login from there", async () => {
    await begin("addresses");
    const login = await bench.newLogin();
    const from = (addressKey: string) => bench.opened({ ...login, id: newId(), addressKey });
    await from("192.0.2.1");
    await fixture.advanceClock(2 * day);
    await from("192.0.2.2");
    await fixture.advanceClock(178 * day - minute);
    expect(await rows("addresses")).toBe(0);
    await fixture.advanceClock(minute);
    expect(await rows("addresses")).toBe(1);
    await fixture.advanceClock(2 * day);
    expect(await rows("addresses")).toBe(1);
    // And are learned again.
    await from("192.0.2.1");
    const user = await bench.stores.users.find({ id: login.userId });
    const key = { emailKey: user?.email ?? "" };
    expect((await bench.stores.users.readForLogin(key, "192.0.2.1"))?.knowsAddress).toBe(true);
  });
}
