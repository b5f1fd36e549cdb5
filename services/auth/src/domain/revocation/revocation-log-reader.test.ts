import { describe, expect, test } from "vitest";
import { createElapsedClock } from "../../../../client/src/core/elapsed-clock.ts";
import { AuthError } from "../errors.ts";
import type { LogEntry, LogHead, LogRead } from "../ports/revocation-log.ts";
import type { LogUpdate } from "./revocation-broadcaster.ts";
import {
  type HeadRead,
  openRevocationLogReader,
  type RevocationLogReaderDeps,
} from "./revocation-log-reader.ts";

const claims = { kid: "key", jti: "tok", sid: "ses", sub: "usr", client_id: "web", rev: 0 };
const unavailable = () => new AuthError("UNAVAILABLE");

/** A log in memory. `entries` is what Postgres would hold. A read is answered when the test says so. */
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
    /** Answers `readAfter`. Tests replace it to delay an answer or to fail. */
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

async function open(overrides: Partial<RevocationLogReaderDeps> = {}) {
  const log = createLog();
  const clock = { ms: 0 };
  const rewinds: { known: LogHead; head: LogHead }[] = [];
  const reader = await openRevocationLogReader({
    log,
    stalenessMs: 0,
    elapsedMs: () => clock.ms,
    onRewind: (found) => rewinds.push(found),
    onKeys() {},
    ...overrides,
  });
  return { log, clock, rewinds, reader };
}

describe("the log reader", () => {
  test("reports the version of the keys with every read", async () => {
    const versions: string[] = [];
    const { log, reader } = await open({ onKeys: (version) => versions.push(version) });
    await reader.current();
    log.keysVersion = "k1";
    expect((await reader.current()).keysVersion).toBe("k1");
    expect(versions).toEqual(["k0", "k1"]);
  });

  test("loads the entries of the log when it opens", async () => {
    const log = createLog();
    log.revoke("ses");
    const { reader } = await open({ log });
    expect((await reader.current()).revocations.revokes(claims)).toBe(true);
  });

  test("has a later entry in the next view, without loading the log again", async () => {
    const { log, reader } = await open();
    expect((await reader.current()).revocations.revokes(claims)).toBe(false);
    log.revoke("other");
    log.revoke("ses");
    const view = await reader.current();
    expect(view.revocations.revokes(claims)).toBe(true);
    expect(view.head).toEqual({ seq: 2, tail: "t2" });
    expect(log.loads).toBe(1);
  });

  test("gives a view the database's current time, and the listener the time when the read began", async () => {
    const asOf: Date[] = [];
    const record = (update: LogUpdate) => void asOf.push(update.asOf);
    const { log, reader } = await open({ listener: { replace: record, append: record, forget() {} } });
    log.now = new Date(2_000_000);
    expect((await reader.current()).now).toEqual(log.now);
    expect(asOf).toEqual([new Date(999_999), new Date(1_999_999)]);
  });
});

describe("shared head reads", () => {
  test("calls that wait share one read, and no call joins a read that was already sent", async () => {
    const { log, reader } = await open();
    const held: (() => void)[] = [];
    log.answer = (read) => new Promise((resolve) => held.push(() => resolve(read)));
    const first = reader.current();
    await settle();
    expect(log.reads).toBe(1);

    // The read in flight has seen the head already and does not include this revocation.
    log.revoke("ses");
    const later = [reader.current(), reader.current(), reader.current()];
    await settle();
    expect(log.reads).toBe(1);

    held.shift()?.();
    await first;
    await settle();
    expect(log.reads).toBe(2);
    held.shift()?.();
    for (const view of await Promise.all(later)) expect(view.revocations.revokes(claims)).toBe(true);
    expect(log.reads).toBe(2);
  });

  test("a failed read fails the calls that share it, and not the next call", async () => {
    const { log, reader } = await open();
    log.answer = () => Promise.reject(unavailable());
    const shared = await Promise.allSettled([reader.current(), reader.current()]);
    expect(shared.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(log.reads).toBe(1);
    log.answer = async (read) => read;
    log.revoke("ses");
    expect((await reader.current()).revocations.revokes(claims)).toBe(true);
  });
});

describe("a restored database", () => {
  const histories: [string, (log: ReturnType<typeof createLog>) => void][] = [
    ["is shorter than before", (log) => log.entries.splice(1)],
    [
      "has another entry under the last number",
      (log) => {
        log.entries.splice(2);
        log.entries.push({ ...entry(3), id: "other" });
      },
    ],
    [
      "has another history and more entries",
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

  test.each(histories)("a log that %s is reported as rewound and loaded again", async (_, rewind) => {
    const { log, reader, rewinds } = await open();
    for (const sid of ["one", "two", "three"]) log.revoke(sid);
    await reader.current();
    rewind(log);
    const view = await reader.current();
    expect(rewinds).toEqual([{ known: { seq: 3, tail: "t3" }, head: log.head() }]);
    expect(log.loads).toBe(2);
    expect(view.head).toEqual(log.head());
    expect(view.revocations.revokes({ ...claims, sid: "three" })).toBe(false);
    expect(view.revocations.revokes(claims)).toBe(log.entries.length === 5);
  });

  test("a gap after the cleaning of old entries makes it load the log again, and is not reported as a rewind", async () => {
    const { log, reader, rewinds } = await open();
    for (const sid of ["one", "two", "ses"]) log.revoke(sid);
    log.entries.shift();
    expect((await reader.current()).revocations.revokes(claims)).toBe(true);
    expect(log.loads).toBe(2);
    expect(rewinds).toEqual([]);
  });
});

describe("the log reader without a database", () => {
  test("throws UNAVAILABLE and returns no view", async () => {
    const { log, reader } = await open();
    await reader.current();
    log.answer = () => Promise.reject(unavailable());
    await expect(reader.current()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  test("measures the allowed staleness from the start of the last answered read, and advances the time of the view", async () => {
    const { log, reader, clock } = await open({ stalenessMs: 5_000 });
    log.answer = async (read) => {
      clock.ms += 2_000;
      return read;
    };
    await reader.current();
    log.answer = () => Promise.reject(unavailable());
    clock.ms = 4_999;
    expect((await reader.current()).now).toEqual(new Date(log.now.getTime() + 4_999));
    clock.ms = 5_000;
    await expect(reader.current()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  test("counts the time of a suspended virtual machine as staleness", async () => {
    let wallMs = 1_790_000_000_000;
    const { nowMs } = createElapsedClock({ monotonicMs: () => 7, wallMs: () => wallMs });
    const { log, reader } = await open({ stalenessMs: 5_000, elapsedMs: nowMs });
    log.answer = () => Promise.reject(new AuthError("UNAVAILABLE"));
    wallMs += 4_000;
    expect((await reader.current()).now.getTime()).toBe(log.now.getTime() + 4_000);
    wallMs += 3_600_000;
    await expect(reader.current()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect(reader.ageMs).toBe(3_604_000);
  });

  test("readNow never returns a view from memory, even if staleness is allowed", async () => {
    const { log, reader } = await open({ stalenessMs: 5_000 });
    expect((await reader.readNow()).now).toEqual(log.now);
    log.answer = () => Promise.reject(unavailable());
    await expect(reader.readNow()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect((await reader.current()).now).toEqual(log.now);
  });

  test("passes on any other fault, even if staleness is allowed", async () => {
    const { log, reader } = await open({ stalenessMs: 5_000 });
    log.answer = () => Promise.reject(new TypeError("an internal fault"));
    await expect(reader.current()).rejects.toThrow(TypeError);
  });
});

describe("the listener", () => {
  /** Records each call: its kind, the numbers of the entries, the number of the head, and the version of the keys. */
  function createListener() {
    const received: string[] = [];
    const record = (kind: string) => (update: LogUpdate) => {
      received.push(
        `${kind} ${update.entries.map(({ seq }) => seq)} to ${update.head.seq} ${update.keysVersion}`,
      );
    };
    return { received, listener: { replace: record("load"), append: record("next"), forget: () => {} } };
  }

  test("receives every read in order, and entries before any call is answered from them", async () => {
    const { received, listener } = createListener();
    const { log, reader } = await open({ listener });
    expect(received).toEqual(["load  to 0 k0"]);
    log.revoke("one");
    log.revoke("two");
    log.keysVersion = "k1";
    await reader.current();
    await reader.current();
    expect(received).toEqual(["load  to 0 k0", "next 1,2 to 2 k1", "next  to 2 k1"]);
    const shown = reader.current().then(({ now }) => [now, received.length]);
    expect(await shown).toEqual([log.now, 4]);
  });

  test("receives all entries again if the log was restored or has a gap", async () => {
    const { received, listener } = createListener();
    const { log, reader } = await open({ listener });
    for (const sid of ["one", "two", "three"]) log.revoke(sid);
    await reader.current();
    log.entries.splice(1);
    await reader.current();
    for (const sid of ["four", "five"]) log.revoke(sid);
    log.entries.splice(1, 1);
    await reader.current();
    expect(received).toEqual(["load  to 0 k0", "next 1,2,3 to 3 k0", "load 1 to 1 k0", "load 1,3 to 3 k0"]);
  });

  test("receives entries of the live list together with those from Postgres", async () => {
    const { received, listener } = createListener();
    const liveList = { after: () => [entry(1), entry(2)], offer: () => {} };
    const { log, reader } = await open({ listener, liveList });
    log.entries.push(entry(1), entry(2), entry(3));
    await reader.current();
    expect(received.at(-1)).toBe("next 1,2,3 to 3 k0");
  });

  test("receives nothing from a failed read", async () => {
    const { received, listener } = createListener();
    const { log, reader } = await open({ listener, stalenessMs: 5_000 });
    log.answer = () => Promise.reject(unavailable());
    await reader.current();
    expect(received).toHaveLength(1);
  });
});

describe("the log reader with a live list", () => {
  /** A list with entries of other replicas. `offered` are the entries of this replica. */
  function createList(...entries: readonly LogEntry[]) {
    const offered: LogEntry[] = [];
    return {
      offered,
      list: { after: () => entries, offer: (more: readonly LogEntry[]) => void offered.push(...more) },
    };
  }
  const revoked = (seq: number): LogEntry => ({ ...entry(seq), target: { kind: "session", id: "ses" } });

  test("takes entries that link up with the head from the list, and fetches only the rest", async () => {
    const { list, offered } = createList(revoked(1), entry(2));
    const reads: HeadRead[] = [];
    const { log, reader } = await open({ liveList: list, onRead: (read) => reads.push(read) });
    log.entries.push(entry(1), entry(2), entry(3));
    const view = await reader.current();
    expect(view.revocations.revokes(claims)).toBe(true);
    expect(view.head).toEqual({ seq: 3, tail: "t3" });
    expect(reads).toMatchObject([{ isAnswered: true, copied: 2, fetched: 1 }]);
    // Only the entry that was missing from the list is offered.
    expect(offered).toEqual([entry(3)]);
    expect(log.reads).toBe(1);
  });

  const unlinked: [string, readonly LogEntry[]][] = [
    ["of a history that was lost", [{ ...revoked(1), id: "other" }]],
    [
      "of a longer history that was lost",
      [
        { ...revoked(1), id: "other" },
        { ...revoked(2), id: "others", previousId: "other" },
      ],
    ],
    ["ahead of the head", [entry(1), entry(2), revoked(3)]],
  ];

  test.each(unlinked)("ignores entries %s, and reads new entries from Postgres", async (_, entries) => {
    const { log, reader, rewinds } = await open({ liveList: createList(...entries).list });
    log.entries.push(entry(1), entry(2));
    const view = await reader.current();
    expect(view.revocations.revokes(claims)).toBe(false);
    expect(view.revocations.revokes({ ...claims, sid: "s1" })).toBe(true);
    expect(view.head).toEqual({ seq: 2, tail: "t2" });
    expect([log.reads, log.loads, rewinds]).toEqual([2, 1, []]);
  });

  test("returns no view while the database is unavailable, even if the list has entries", async () => {
    const { log, reader } = await open({ liveList: createList(revoked(1)).list });
    log.answer = () => Promise.reject(unavailable());
    await expect(reader.current()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  test("detects a restored log", async () => {
    const { list } = createList();
    const { log, reader, rewinds } = await open({ liveList: list });
    log.entries.push(entry(1), entry(2));
    await reader.current();
    log.entries.splice(1);
    expect((await reader.current()).head).toEqual({ seq: 1, tail: "t1" });
    expect(rewinds).toHaveLength(1);
  });
});

function entry(seq: number): LogEntry {
  const target = { kind: "session", id: `s${seq}` } as const;
  return { seq, id: `t${seq}`, previousId: `t${seq - 1}`, target, forgetAfterMs: 9e15 };
}

/** Waits until everything that needs no outside event has run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
