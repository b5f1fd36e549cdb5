import { describe, expect, test } from "vitest";
import type { LogEntry } from "../ports/revocation-log.ts";
import { createRevocationFeed, type FollowedRead } from "./revocation-feed.ts";

const idOf = (seq: number) => `00000000-0000-7000-8000-${String(seq).padStart(12, "0")}`;

function entry(seq: number, forgetAfterMs = 9e15): LogEntry {
  return {
    ...{ seq, id: idOf(seq), previousId: idOf(seq - 1), forgetAfterMs },
    target: { kind: "session", id: `s${seq}` },
  };
}

function readOf(...entries: readonly LogEntry[]): FollowedRead {
  const seq = entries.at(-1)?.seq ?? 0;
  return { head: { seq, tail: idOf(seq) }, asOf: new Date(seq), keysVersion: "k0", entries };
}

/** A feed whose reads and rests end when the test says so. */
function open() {
  const reads: PromiseWithResolvers<void>[] = [];
  const rests: { readonly ms: number; readonly end: () => void }[] = [];
  const feed = createRevocationFeed({
    encode: ({ seq }) => Uint8Array.of(seq),
    read() {
      const read = Promise.withResolvers<void>();
      reads.push(read);
      return read.promise;
    },
    pause(ms) {
      const { promise, resolve } = Promise.withResolvers<void>();
      rests.push({ ms, end: resolve });
      return promise;
    },
  });
  return { feed, reads, rests };
}

describe("reading", () => {
  test("goes on as long as anybody watches, with a rest behind each read", async () => {
    const { feed, reads, rests } = open();
    await settle();
    expect(reads).toHaveLength(0);
    {
      using _one = feed.join();
      expect([feed.watchers, reads.length]).toEqual([1, 1]);
      await settle();
      expect(rests).toHaveLength(0);
      reads[0]?.resolve();
      await settle();
      expect(rests.map(({ ms }) => ms)).toEqual([20]);
      rests[0]?.end();
      await settle();
      expect(reads).toHaveLength(2);
    }
    expect(feed.watchers).toBe(0);
    reads[1]?.resolve();
    await settle();
    rests[1]?.end();
    await settle();
    expect(reads).toHaveLength(2);
  });

  test("is one for all who watch, also for who comes while it rests after the last has left", async () => {
    const { feed, reads, rests } = open();
    const first = feed.join();
    const second = feed.join();
    expect([feed.watchers, reads.length]).toEqual([2, 1]);
    reads[0]?.resolve();
    await settle();
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    using _third = feed.join();
    await settle();
    expect(reads).toHaveLength(1);
    rests[0]?.end();
    await settle();
    expect(reads).toHaveLength(2);
  });

  test("begins again for who comes after it has ended", async () => {
    const { feed, reads, rests } = open();
    feed.join()[Symbol.dispose]();
    reads[0]?.resolve();
    await settle();
    rests[0]?.end();
    await settle();
    using _again = feed.join();
    expect(reads).toHaveLength(2);
  });

  test("rests longer after a read that failed, and goes on", async () => {
    const { feed, reads, rests } = open();
    using _one = feed.join();
    reads[0]?.reject(new Error("lost"));
    await settle();
    expect(rests.map(({ ms }) => ms)).toEqual([1_000]);
    rests[0]?.end();
    await settle();
    reads[1]?.resolve();
    await settle();
    expect(rests.map(({ ms }) => ms)).toEqual([1_000, 20]);
  });

  test("ends with the feed", async () => {
    const { feed, reads, rests } = open();
    using _one = feed.join();
    feed[Symbol.dispose]();
    reads[0]?.resolve();
    await settle();
    rests[0]?.end();
    await settle();
    expect(reads).toHaveLength(1);
  });
});

describe("waiting", () => {
  const never = new AbortController().signal;

  /** Whether a wait has ended. */
  function follow(wait: Promise<void>) {
    const state = { isOver: false };
    void wait.then(() => {
      state.isOver = true;
    });
    return async () => {
      await settle();
      return state.isOver;
    };
  }

  test("ends at once where there is something to do", async () => {
    const { feed } = open();
    using one = feed.join();
    expect(await follow(one.until(() => true, never))()).toBe(true);
  });

  test("ends with the first read after which there is, for each by itself", async () => {
    const { feed } = open();
    using one = feed.join();
    using other = feed.join();
    feed.restart(readOf());
    const { end } = feed.ring;
    const isOneOver = follow(one.until(() => feed.ring.end >= end + 1, never));
    const isOtherOver = follow(other.until(() => feed.ring.end >= end + 2, never));
    feed.append({ ...readOf(), entries: [] });
    expect([await isOneOver(), await isOtherOver()]).toEqual([false, false]);
    feed.append(readOf(entry(1)));
    expect([await isOneOver(), await isOtherOver()]).toEqual([true, false]);
    feed.append(readOf(entry(2)));
    expect(await isOtherOver()).toBe(true);
  });

  test("ends when the log begins anew", async () => {
    const { feed } = open();
    feed.restart(readOf(entry(1)));
    using one = feed.join();
    const { end } = feed.ring;
    const isOver = follow(one.until(() => feed.ring.end !== end, never));
    feed.restart(readOf(entry(1)));
    expect(await isOver()).toBe(true);
  });

  test("ends with its signal, and asks no more then", async () => {
    const { feed } = open();
    using one = feed.join();
    const gone = new AbortController();
    let asked = 0;
    const isOver = follow(
      one.until(() => {
        asked += 1;
        return false;
      }, gone.signal),
    );
    expect(await isOver()).toBe(false);
    gone.abort();
    expect(await isOver()).toBe(true);
    const before = asked;
    feed.append(readOf(entry(1)));
    expect(asked).toBe(before);
    expect(await follow(one.until(() => false, gone.signal))()).toBe(true);
  });
});

test("each read is told with its time and its keys, as another one", () => {
  const { feed } = open();
  expect(feed.lastRead).toBeUndefined();
  const read = readOf(entry(1));
  feed.restart(read);
  const { lastRead } = feed;
  expect(lastRead).toEqual({ asOf: new Date(1), keysVersion: "k0" });
  feed.append({ ...read, entries: [] });
  expect(feed.lastRead).toEqual(lastRead);
  expect(feed.lastRead).not.toBe(lastRead);
});

test("what is dead is forgotten", () => {
  const { feed } = open();
  feed.restart(readOf(entry(1, 100)));
  const { start, end } = feed.ring;
  feed.forget(100);
  expect(feed.ring.start).toBe(start);
  feed.forget(101);
  expect(feed.ring.start).toBe(end);
});

/** Lets everything run that waits for nothing from outside. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
