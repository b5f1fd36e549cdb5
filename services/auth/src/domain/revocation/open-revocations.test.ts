import { describe, expect, test } from "vitest";
import { AuthError } from "../errors.ts";
import type { LogEntry, LogHead, LogRead } from "../ports/revocation-log.ts";
import { openRevocations } from "./open-revocations.ts";

const idleMs = 1_000;
const watchMs = 20;
const retryMs = 1_000;

/** A log whose head reads and pauses end when the test says so. */
async function open({ liveList = false } = {}) {
  const head: LogHead = { seq: 0, tail: "t0" };
  const same: LogRead = { head, asOf: new Date(0), now: new Date(0), keysVersion: "k0", entries: undefined };
  const clock = { ms: 0 };
  const reads: PromiseWithResolvers<LogRead>[] = [];
  const pauses: { readonly ms: number; readonly end: () => void }[] = [];
  const listeners = new Set<() => void>();
  const list = {
    after: () => [] as LogEntry[],
    offer: () => {},
    subscribe(listener: () => void) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  const revocations = await openRevocations({
    log: {
      readAll: async () => ({ ...same, entries: [], everythingSeq: 0 }),
      readAfter() {
        const read = Promise.withResolvers<LogRead>();
        reads.push(read);
        return read.promise;
      },
    },
    liveList: liveList ? list : undefined,
    encode: ({ seq }) => Uint8Array.of(seq),
    stalenessMs: 0,
    elapsedMs: () => clock.ms,
    pause(ms) {
      const { promise, resolve } = Promise.withResolvers<void>();
      pauses.push({ ms, end: resolve });
      return promise;
    },
    onRewind: () => expect.unreachable(),
    onKeys: () => {},
  });
  return {
    revocations,
    clock,
    reads,
    pauses,
    listeners,
    async answer(index: number): Promise<void> {
      reads[index]?.resolve(same);
      await settle();
    },
    async fail(index: number): Promise<void> {
      reads[index]?.reject(new AuthError("UNAVAILABLE"));
      await settle();
    },
    async endPause(index: number): Promise<void> {
      pauses[index]?.end();
      await settle();
    },
    /** The length of each pause of the watchers. The first pause is of the idle replica. */
    watchPauses: () => pauses.slice(1).map(({ ms }) => ms),
  };
}

describe("an idle replica", () => {
  test("reads the head when the last read is a second old", async () => {
    const { clock, reads, pauses, endPause } = await open();
    expect(pauses.map(({ ms }) => ms)).toEqual([idleMs]);
    clock.ms = idleMs - 1;
    await endPause(0);
    expect(reads).toHaveLength(0);
    clock.ms = idleMs;
    await endPause(1);
    expect(reads).toHaveLength(1);
  });

  test("reads the head again after a read that failed", async () => {
    const { clock, reads, fail, endPause } = await open();
    clock.ms = idleMs;
    await endPause(0);
    await fail(0);
    await endPause(1);
    expect(reads).toHaveLength(2);
  });

  test("reads nothing after the end", async () => {
    const { revocations, clock, reads, pauses, endPause } = await open();
    revocations[Symbol.dispose]();
    clock.ms = 10 * idleMs;
    await endPause(0);
    expect([reads.length, pauses.length]).toEqual([0, 1]);
  });
});

describe("while there are watchers", () => {
  test("the head is read again after a pause behind each read, until the last watcher leaves", async () => {
    const { revocations, reads, watchPauses, answer, endPause } = await open();
    {
      using _watcher = revocations.watch();
      await settle();
      expect([revocations.watchers, reads.length]).toEqual([1, 1]);
      expect(watchPauses()).toEqual([]);
      await answer(0);
      expect(watchPauses()).toEqual([watchMs]);
      await endPause(1);
      expect(reads).toHaveLength(2);
    }
    expect(revocations.watchers).toBe(0);
    await answer(1);
    await endPause(2);
    expect(reads).toHaveLength(2);
  });

  test("they share the reads, also if one joins during the pause after the last one has left", async () => {
    const { revocations, reads, answer, endPause } = await open();
    const first = revocations.watch();
    const second = revocations.watch();
    await settle();
    expect([revocations.watchers, reads.length]).toEqual([2, 1]);
    await answer(0);
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    using _third = revocations.watch();
    await settle();
    expect(reads).toHaveLength(1);
    await endPause(1);
    expect(reads).toHaveLength(2);
  });

  test("the reads begin again for a watcher that joins after they have ended", async () => {
    const { revocations, reads, answer, endPause } = await open();
    revocations.watch()[Symbol.dispose]();
    await settle();
    await answer(0);
    await endPause(1);
    using _again = revocations.watch();
    await settle();
    expect(reads).toHaveLength(2);
  });

  test("a failed read is retried after a longer pause", async () => {
    const { revocations, watchPauses, answer, fail, endPause } = await open();
    using _watcher = revocations.watch();
    await settle();
    await fail(0);
    expect(watchPauses()).toEqual([retryMs]);
    await endPause(1);
    await answer(1);
    expect(watchPauses()).toEqual([retryMs, watchMs]);
  });

  test("nothing is read after the end", async () => {
    const { revocations, reads, answer, endPause } = await open();
    using _watcher = revocations.watch();
    await settle();
    revocations[Symbol.dispose]();
    await answer(0);
    await endPause(1);
    expect(reads).toHaveLength(1);
  });
});

describe("new entries in the live list", () => {
  test("start a head read, whose fault is not reported", async () => {
    const { reads, listeners, fail } = await open({ liveList: true });
    for (const listener of listeners) listener();
    await settle();
    expect(reads).toHaveLength(1);
    await fail(0);
    for (const listener of listeners) listener();
    await settle();
    expect(reads).toHaveLength(2);
  });

  test("are not listened to after the end", async () => {
    const { revocations, listeners } = await open({ liveList: true });
    expect(listeners.size).toBe(1);
    revocations[Symbol.dispose]();
    expect(listeners.size).toBe(0);
  });
});

describe("the notice of a revocation by this replica", () => {
  test("starts a head read if there is a live list", async () => {
    const { revocations, reads, fail } = await open({ liveList: true });
    revocations.notice();
    await settle();
    expect(reads).toHaveLength(1);
    await fail(0);
  });

  test("starts a head read if there is a watcher, after the read that was already sent", async () => {
    const { revocations, reads, answer } = await open();
    using _watcher = revocations.watch();
    await settle();
    revocations.notice();
    await settle();
    expect(reads).toHaveLength(1);
    await answer(0);
    expect(reads).toHaveLength(2);
  });

  test("reads nothing if neither another replica nor a watcher waits for it", async () => {
    const { revocations, reads } = await open();
    revocations.notice();
    await settle();
    expect(reads).toHaveLength(0);
  });

  test("reads nothing after the end", async () => {
    const { revocations, reads } = await open({ liveList: true });
    revocations[Symbol.dispose]();
    revocations.notice();
    await settle();
    expect(reads).toHaveLength(0);
  });
});

/** Waits until everything that needs no outside event has run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
