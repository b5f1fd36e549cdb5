import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type {
  AuditEvent,
  AuditFilter,
  AuditPage,
  AuditRecord,
  AuditStore,
} from "../../services/auth/src/domain/ports/audit-store.ts";
import { newId } from "../support/postgres/stores.ts";

const day = 86_400_000;

export interface AuditStoreFixture extends AsyncDisposable {
  /** Two replicas on one state, which look at ten rows at once. */
  readonly stores: readonly [AuditStore, AuditStore];
  /** Moves the store's time. */
  readonly advanceClock: (ms: number) => Promise<void>;
}

/** What every audit must do. */
export function auditStoreSuite(open: () => Promise<AuditStoreFixture>): void {
  let fixture: AuditStoreFixture;
  let one: AuditStore;
  let other: AuditStore;

  beforeAll(async () => {
    fixture = await open();
    [one, other] = fixture.stores;
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  /** A record with a `requestId` that no other test uses. */
  function recordOf(overrides: Partial<AuditRecord> = {}): AuditRecord {
    return {
      event: "login_refused",
      caller: "web",
      requestId: "1",
      userId: newId(),
      clientId: "spa",
      clientAddress: "192.0.2.1",
      detail: { reason: "wrong_password" },
      ...overrides,
    };
  }
  async function recorded(count: number, overrides: Partial<AuditRecord>): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, index) => String(index));
    for (const requestId of ids) await one.record([recordOf({ ...overrides, requestId })]);
    return ids;
  }

  /** Reads from slice to slice, as long as it takes. */
  async function readAll(
    filter: AuditFilter,
    order: AuditPage["order"] = "oldest first",
    limit = 3,
  ): Promise<{ events: AuditEvent[]; slices: number }> {
    const events: AuditEvent[] = [];
    let beyond: string | undefined;
    let slices = 0;
    do {
      const slice = await other.scan(filter, { order, beyond, limit });
      expect(slice.events.length).toBeLessThanOrEqual(limit);
      events.push(...slice.events);
      beyond = slice.reached;
      slices += 1;
    } while (beyond !== undefined);
    return { events, slices };
  }
  const requests = (events: readonly AuditEvent[]) => events.map(({ requestId }) => requestId);

  describe("a record", () => {
    test("is given back as it was made, with the store's time", async () => {
      const record = recordOf({ detail: { reason: "rate_limited", count: 3, nested: { list: [1, null] } } });
      const before = await one.readTime();
      await one.record([record]);
      const { events } = await readAll({ userId: record.userId });
      expect(events).toMatchObject([{ ...record, sessionId: undefined, keyId: undefined }]);
      const at = events[0]?.at.getTime() ?? 0;
      expect(at).toBeGreaterThanOrEqual(before.getTime());
      expect(at).toBeLessThanOrEqual((await one.readTime()).getTime());
    });

    test("without a user, a client and an address has none", async () => {
      const caller = newId();
      await one.record([
        recordOf({ caller, userId: undefined, clientId: undefined, clientAddress: undefined }),
      ]);
      const { events } = await readAll({ caller });
      expect(events).toMatchObject([{ userId: undefined, clientId: undefined, clientAddress: undefined }]);
    });

    test("comes with all that were made with it, or none does", async () => {
      const caller = newId();
      const faulty = { ...recordOf({ caller }), userId: "no id" };
      await expect(one.record([recordOf({ caller }), faulty])).rejects.toThrow();
      expect((await readAll({ caller })).events).toEqual([]);
      await one.record([recordOf({ caller }), recordOf({ caller })]);
      expect((await readAll({ caller })).events).toHaveLength(2);
    });
  });

  describe("reading", () => {
    test.each(["oldest first", "newest first"] as const)("%s, every event once, in order", async (order) => {
      const userId = newId();
      const ids = await recorded(12, { userId });
      const expected = order === "oldest first" ? ids : ids.toReversed();
      for (const limit of [1, 3, 12, 100]) {
        expect(requests((await readAll({ userId }, order, limit)).events)).toEqual(expected);
      }
    });

    test("looks at a bounded number of rows a time, whether they fit or not", async () => {
      const [rare, common] = [newId(), newId()];
      const first = await recorded(1, { caller: rare });
      await recorded(35, { caller: common });
      for (const order of ["oldest first", "newest first"] as const) {
        const { events, slices } = await readAll({ caller: rare }, order);
        expect(requests(events)).toEqual(first);
        expect(slices).toBeGreaterThan(3);
      }
    });

    test("by what an event has, alone and together", async () => {
      const [userId, caller, account, clientId] = [newId(), newId(), newId(), newId()];
      const clientAddress = `2001:db8::${newId().slice(-4)}`;
      const all = { userId, caller, clientId, clientAddress };
      const detail = { reason: "unknown_user", account };
      await one.record([recordOf({ ...all, requestId: "all" }), recordOf({ caller, requestId: "caller" })]);
      await one.record([recordOf({ caller, userId: undefined, detail, requestId: "account" })]);
      await one.record([recordOf({ caller, event: "user_created", requestId: "event" })]);
      const found = async (filter: AuditFilter) => requests((await readAll(filter)).events);
      expect(await found({ caller })).toEqual(["all", "caller", "account", "event"]);
      expect(await found({ userId })).toEqual(["all"]);
      expect(await found({ clientId })).toEqual(["all"]);
      expect(await found({ clientAddresses: [clientAddress] })).toEqual(["all"]);
      expect(await found({ clientAddresses: ["192.0.2.250", clientAddress] })).toEqual(["all"]);
      expect(await found({ account })).toEqual(["account"]);
      expect(await found({ caller, events: ["user_created"] })).toEqual(["event"]);
      expect(await found({ caller, events: ["login", "login_refused"] })).toEqual([
        "all",
        "caller",
        "account",
      ]);
      expect(await found({ caller, events: [] })).toHaveLength(4);
      expect(await found({ ...all, events: ["login_refused"] })).toEqual(["all"]);
      expect(await found({ ...all, events: ["login"] })).toEqual([]);
      expect(await found({ userId, account })).toEqual([]);
      expect(await found({ sessionId: userId })).toEqual([]);
      expect(await found({ caller, keyId: userId })).toEqual([]);
    });

    test("by time: from `since` on, before `until`", async () => {
      const caller = newId();
      const times: Date[] = [];
      for (const requestId of ["a", "b", "c"]) {
        await one.record([recordOf({ caller, requestId })]);
        const { events } = await readAll({ caller });
        times.push(events.at(-1)?.at ?? new Date(0));
        await fixture.advanceClock(10);
      }
      const [, b, c] = times;
      const next = new Date((b?.getTime() ?? 0) + 1);
      const found = async (filter: AuditFilter) => requests((await readAll({ caller, ...filter })).events);
      // Times are stored in microseconds and returned in milliseconds.
      expect(await found({ since: b })).toEqual(["b", "c"]);
      expect(await found({ since: next })).toEqual(["c"]);
      expect(await found({ until: b })).toEqual(["a"]);
      expect(await found({ since: b, until: c })).toEqual(["b"]);
      expect(await found({ since: new Date(-62_135_596_800_000), until: new Date(8.64e15) })).toHaveLength(3);
      expect(await found({ since: c, until: b })).toEqual([]);
    });
  });

  describe("purging", () => {
    test("deletes records that are older than the limit, the oldest first, up to a number", async () => {
      const caller = newId();
      await recorded(4, { caller });
      await fixture.advanceClock(40 * day);
      await recorded(2, { caller });
      let purged = 0;
      const left = async () => (await readAll({ caller })).events.length;
      while ((await left()) > 5) {
        expect(await one.purge(35 * day, 1)).toBe(1);
        purged += 1;
      }
      for (;;) {
        const count = await other.purge(35 * day, 7);
        expect(count).toBeLessThanOrEqual(7);
        if (count === 0) break;
      }
      expect(purged).toBeGreaterThan(0);
      expect(requests((await readAll({ caller })).events)).toEqual(["0", "1"]);
    });

    test("keeps records younger than 30 days, at any limit", async () => {
      const caller = newId();
      await recorded(1, { caller });
      await fixture.advanceClock(30 * day - 60_000);
      while ((await one.purge(0, 1_000)) !== 0);
      expect((await readAll({ caller })).events).toHaveLength(1);
      await fixture.advanceClock(120_000);
      expect(await one.purge(0, 1_000)).toBeGreaterThan(0);
      expect((await readAll({ caller })).events).toHaveLength(0);
    });

    test("deletes at most a thousand at once, and each row once, on any number of replicas", async () => {
      const caller = newId();
      await one.record(Array.from({ length: 2_500 }, () => recordOf({ caller })));
      await fixture.advanceClock(31 * day);
      const counts: (number | "busy")[] = [];
      while (!counts.includes(0)) {
        counts.push(...(await Promise.all([one.purge(0, 5_000), other.purge(0, 5_000)])));
      }
      const taken = counts.filter((count) => count !== "busy");
      expect(Math.max(...taken)).toBe(1_000);
      expect(taken.reduce((sum, count) => sum + count, 0)).toBe(2_500);
      expect((await readAll({ caller })).events).toEqual([]);
    });
  });
}
