import { createElapsedClock } from "@postern/client/core/elapsed-clock.ts";
import { describe, expect, test } from "vitest";
import { PosternError } from "../errors.ts";
import type { LogEntry, LogHead, LogRead } from "../ports/revocation-log.ts";
import { type HeadRead, openReadIndex, type ReadIndexDeps } from "./read-index.ts";
import type { FollowedRead } from "./revocation-feed.ts";

const claims = { kid: "key", jti: "tok", sid: "ses", sub: "usr", client_id: "web", rev: 0 };
const unavailable = () => new PosternError("UNAVAILABLE");

/** A log kept by hand: `entries` is what Postgres would hold; a read is answered when the test says so. */
function createLog() {
  const log = {
    origin: { seq: 0, tail: "t0" } as LogHead,
    entries: [] as LogEntry[],
    now: new Date(1_000_000),
    keysVersion: "k0",
    head(): LogHead {
      const last = log.entries.at(-1);
      return last === undefined ? log.origin : { seq: last.seq, tail: last.id };
    },
    revoke(sid: string): void {
      const { seq, tail } = log.head();
      const target = { kind: "session", id: sid } as const;
      log.entries.push({ seq: seq + 1, id: `t${seq + 1}`, previousId: tail, target, forgetAfterMs: 9e15 });
    },
    snapshot(known: LogHead): LogRead {
      const head = log.head();
      const later = log.entries.filter((entry) => entry.seq > known.seq);
      return {
        head,
        asOf: new Date(log.now.getTime() - 1),
        now: log.now,
        keysVersion: log.keysVersion,
        entries: head.seq > known.seq ? later : undefined,
      };
    },
    /** Answers `readAfter`; replaced by tests that hold an answer back or fail it. */
    answer: async (read: LogRead): Promise<LogRead> => read,
    reads: 0,
    loads: 0,
    async readAfter(known: LogHead): Promise<LogRead> {
      log.reads += 1;
      return log.answer(log.snapshot(known));
    },
    async readAll() {
      log.loads += 1;
      const { entries } = log;
      return { ...log.snapshot(log.origin), everythingSeq: 0, entries: [...entries] };
    },
  };
  return log;
}

async function open(overrides: Partial<ReadIndexDeps> = {}) {
  const log = createLog();
  const clock = { ms: 0 };
  const rewinds: { known: LogHead; head: LogHead }[] = [];
  const index = await openReadIndex({
    log,
    stalenessMs: 0,
    elapsedMs: () => clock.ms,
    onRewind: (found) => rewinds.push(found),
    onKeys() {},
    ...overrides,
  });
  return { log, clock, rewinds, index };
}

describe("keeping up", () => {
  test("every read tells which keys there are", async () => {
    const told: string[] = [];
    const { log, index } = await open({ onKeys: (version) => told.push(version) });
    await index.fresh();
    log.keysVersion = "k1";
    expect((await index.fresh()).keysVersion).toBe("k1");
    expect(told).toEqual(["k0", "k1"]);
  });

  test("what the log holds at the start is loaded", async () => {
    const log = createLog();
    log.revoke("ses");
    const { index } = await open({ log });
    expect((await index.fresh()).revocations.hits(claims)).toBe(true);
  });

  test("an entry that comes later is in the next view, without loading anew", async () => {
    const { log, index } = await open();
    expect((await index.fresh()).revocations.hits(claims)).toBe(false);
    log.revoke("other");
    log.revoke("ses");
    const view = await index.fresh();
    expect(view.revocations.hits(claims)).toBe(true);
    expect(view.head).toEqual({ seq: 2, tail: "t2" });
    expect(log.loads).toBe(1);
  });

  test("the view has the database's current time, and a follower gets the time when the read began", async () => {
    const asOf: Date[] = [];
    const note = (read: { readonly asOf: Date }) => void asOf.push(read.asOf);
    const { log, index } = await open({ follower: { restart: note, append: note, forget() {} } });
    log.now = new Date(2_000_000);
    expect((await index.fresh()).now).toEqual(log.now);
    expect(asOf).toEqual([new Date(999_999), new Date(1_999_999)]);
  });
});

describe("sharing reads", () => {
  test("calls that wait share one read; none joins one that was sent", async () => {
    const { log, index } = await open();
    const held: (() => void)[] = [];
    log.answer = (read) => new Promise((resolve) => held.push(() => resolve(read)));
    const first = index.fresh();
    await settle();
    expect(log.reads).toBe(1);

    // The read in flight has seen the head already: this revocation is not in it.
    log.revoke("ses");
    const later = [index.fresh(), index.fresh(), index.fresh()];
    await settle();
    expect(log.reads).toBe(1);

    held.shift()?.();
    await first;
    await settle();
    expect(log.reads).toBe(2);
    held.shift()?.();
    for (const view of await Promise.all(later)) expect(view.revocations.hits(claims)).toBe(true);
    expect(log.reads).toBe(2);
  });

  test("a failed read fails those that shared it, not the next", async () => {
    const { log, index } = await open();
    log.answer = () => Promise.reject(unavailable());
    const shared = await Promise.allSettled([index.fresh(), index.fresh()]);
    expect(shared.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(log.reads).toBe(1);
    log.answer = async (read) => read;
    log.revoke("ses");
    expect((await index.fresh()).revocations.hits(claims)).toBe(true);
  });
});

describe("a log that was put back", () => {
  const histories: [string, (log: ReturnType<typeof createLog>) => void][] = [
    ["is shorter", (log) => log.entries.splice(1)],
    [
      "has another entry in the last one's place",
      (log) => {
        log.entries.splice(2);
        log.entries.push({ ...entry(3), id: "other" });
      },
    ],
    [
      "has another history and is longer",
      (log) => {
        log.entries.splice(2);
        log.entries.push(
          { ...entry(3), id: "other" },
          { ...entry(4), previousId: "other" },
          { ...entry(5), target: { kind: "session", id: "ses" } },
        );
      },
    ],
  ];

  test.each(histories)("%s: told, and loaded anew", async (_, rewind) => {
    const { log, index, rewinds } = await open();
    for (const sid of ["one", "two", "three"]) log.revoke(sid);
    await index.fresh();
    rewind(log);
    const view = await index.fresh();
    expect(rewinds).toEqual([{ known: { seq: 3, tail: "t3" }, head: log.head() }]);
    expect(log.loads).toBe(2);
    expect(view.head).toEqual(log.head());
    expect(view.revocations.hits({ ...claims, sid: "three" })).toBe(false);
    expect(view.revocations.hits(claims)).toBe(log.entries.length === 5);
  });

  test("a gap, where old entries were cleaned away, is loaded anew and is no rewind", async () => {
    const { log, index, rewinds } = await open();
    for (const sid of ["one", "two", "ses"]) log.revoke(sid);
    log.entries.shift();
    expect((await index.fresh()).revocations.hits(claims)).toBe(true);
    expect(log.loads).toBe(2);
    expect(rewinds).toEqual([]);
  });
});

describe("with the database lost", () => {
  test("the answer is UNAVAILABLE, never a view", async () => {
    const { log, index } = await open();
    await index.fresh();
    log.answer = () => Promise.reject(unavailable());
    await expect(index.fresh()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  test("an allowed staleness is counted from when the last good read began, and the time goes on", async () => {
    const { log, index, clock } = await open({ stalenessMs: 5_000 });
    log.answer = async (read) => {
      clock.ms += 2_000;
      return read;
    };
    await index.fresh();
    log.answer = () => Promise.reject(unavailable());
    clock.ms = 4_999;
    expect((await index.fresh()).now).toEqual(new Date(log.now.getTime() + 4_999));
    clock.ms = 5_000;
    await expect(index.fresh()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  test("staleness includes the time while a virtual machine was suspended", async () => {
    let wallMs = 1_790_000_000_000;
    const { nowMs } = createElapsedClock({ monotonicMs: () => 7, wallMs: () => wallMs });
    const { log, index } = await open({ stalenessMs: 5_000, elapsedMs: nowMs });
    log.answer = () => Promise.reject(new PosternError("UNAVAILABLE"));
    wallMs += 4_000;
    expect((await index.fresh()).now.getTime()).toBe(log.now.getTime() + 4_000);
    wallMs += 3_600_000;
    await expect(index.fresh()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect(index.ageMs).toBe(3_604_000);
  });

  test("a read of the head is never answered from memory, whatever staleness is allowed", async () => {
    const { log, index } = await open({ stalenessMs: 5_000 });
    expect((await index.readHead()).now).toEqual(log.now);
    log.answer = () => Promise.reject(unavailable());
    await expect(index.readHead()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect((await index.fresh()).now).toEqual(log.now);
  });

  test("any other fault is passed on, whatever staleness is allowed", async () => {
    const { log, index } = await open({ stalenessMs: 5_000 });
    log.answer = () => Promise.reject(new TypeError("a fault of ours"));
    await expect(index.fresh()).rejects.toThrow(TypeError);
  });
});

describe("a follower", () => {
  /** What it was told: `load` or `next`, the numbers of the entries, the head's, and the keys. */
  function createFollower() {
    const told: string[] = [];
    const note = (what: string) => (read: FollowedRead) => {
      told.push(`${what} ${read.entries.map(({ seq }) => seq)} to ${read.head.seq} ${read.keysVersion}`);
    };
    return { told, follower: { restart: note("load"), append: note("next"), forget: () => {} } };
  }

  test("is told of every read in order, and of entries before any call is answered from them", async () => {
    const { told, follower } = createFollower();
    const { log, index } = await open({ follower });
    expect(told).toEqual(["load  to 0 k0"]);
    log.revoke("one");
    log.revoke("two");
    log.keysVersion = "k1";
    await index.fresh();
    await index.fresh();
    expect(told).toEqual(["load  to 0 k0", "next 1,2 to 2 k1", "next  to 2 k1"]);
    const shown = index.fresh().then(({ now }) => [now, told.length]);
    expect(await shown).toEqual([log.now, 4]);
  });

  test("is told to begin anew where the log was put back, and where it does not link up", async () => {
    const { told, follower } = createFollower();
    const { log, index } = await open({ follower });
    for (const sid of ["one", "two", "three"]) log.revoke(sid);
    await index.fresh();
    log.entries.splice(1);
    await index.fresh();
    for (const sid of ["four", "five"]) log.revoke(sid);
    log.entries.splice(1, 1);
    await index.fresh();
    expect(told).toEqual(["load  to 0 k0", "next 1,2,3 to 3 k0", "load 1 to 1 k0", "load 1,3 to 3 k0"]);
  });

  test("is told of entries from the live list with those from Postgres", async () => {
    const { told, follower } = createFollower();
    const liveList = { after: () => [entry(1), entry(2)], offer: () => {} };
    const { log, index } = await open({ follower, liveList });
    log.entries.push(entry(1), entry(2), entry(3));
    await index.fresh();
    expect(told.at(-1)).toBe("next 1,2,3 to 3 k0");
  });

  test("is told nothing by a read that failed", async () => {
    const { told, follower } = createFollower();
    const { log, index } = await open({ follower, stalenessMs: 5_000 });
    log.answer = () => Promise.reject(unavailable());
    await index.fresh();
    expect(told).toHaveLength(1);
  });
});

describe("with a live list", () => {
  /** Entries that somebody else has shown; `offered` are those that this replica shows. */
  function createList(...entries: readonly LogEntry[]) {
    const offered: LogEntry[] = [];
    return {
      offered,
      list: { after: () => entries, offer: (shown: readonly LogEntry[]) => void offered.push(...shown) },
    };
  }
  const revoked = (seq: number): LogEntry => ({ ...entry(seq), target: { kind: "session", id: "ses" } });

  test("entries that link up with the head are taken from there, and only the rest is fetched", async () => {
    const { list, offered } = createList(revoked(1), entry(2));
    const reads: HeadRead[] = [];
    const { log, index } = await open({ liveList: list, onRead: (read) => reads.push(read) });
    log.entries.push(entry(1), entry(2), entry(3));
    const view = await index.fresh();
    expect(view.revocations.hits(claims)).toBe(true);
    expect(view.head).toEqual({ seq: 3, tail: "t3" });
    expect(reads).toMatchObject([{ isAnswered: true, copied: 2, fetched: 1 }]);
    // What Postgres alone has had is shown to the others.
    expect(offered).toEqual([entry(3)]);
    expect(log.reads).toBe(1);
  });

  const misfits: [string, readonly LogEntry[]][] = [
    ["of a history that was lost", [{ ...revoked(1), id: "other" }]],
    [
      "of a history that was lost, and longer",
      [
        { ...revoked(1), id: "other" },
        { ...revoked(2), id: "others", previousId: "other" },
      ],
    ],
    ["ahead of the head", [entry(1), entry(2), revoked(3)]],
  ];

  test.each(misfits)("entries %s are left, and what is new is read from Postgres", async (_, entries) => {
    const { log, index, rewinds } = await open({ liveList: createList(...entries).list });
    log.entries.push(entry(1), entry(2));
    const view = await index.fresh();
    expect(view.revocations.hits(claims)).toBe(false);
    expect(view.revocations.hits({ ...claims, sid: "s1" })).toBe(true);
    expect(view.head).toEqual({ seq: 2, tail: "t2" });
    expect([log.reads, log.loads, rewinds]).toEqual([2, 1, []]);
  });

  test("it never stands for the head: with the database lost there is no view", async () => {
    const { log, index } = await open({ liveList: createList(revoked(1)).list });
    log.answer = () => Promise.reject(unavailable());
    await expect(index.fresh()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  test("a log that was put back is noticed all the same", async () => {
    const { list } = createList();
    const { log, index, rewinds } = await open({ liveList: list });
    log.entries.push(entry(1), entry(2));
    await index.fresh();
    log.entries.splice(1);
    expect((await index.fresh()).head).toEqual({ seq: 1, tail: "t1" });
    expect(rewinds).toHaveLength(1);
  });
});

function entry(seq: number): LogEntry {
  const target = { kind: "session", id: `s${seq}` } as const;
  return { seq, id: `t${seq}`, previousId: `t${seq - 1}`, target, forgetAfterMs: 9e15 };
}

/** Lets everything run that waits for nothing from outside. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
