import { describe, expect, test } from "vitest";
import type { LogEntry } from "../ports/revocation-log.ts";
import { createRevocationBroadcaster, type LogUpdate } from "./revocation-broadcaster.ts";

const idOf = (seq: number) => `00000000-0000-7000-8000-${String(seq).padStart(12, "0")}`;

function entry(seq: number, forgetAfterMs = 9e15): LogEntry {
  const target = { kind: "session", id: `s${seq}` } as const;
  return { seq, id: idOf(seq), previousId: idOf(seq - 1), target, forgetAfterMs };
}

function updateOf(...entries: readonly LogEntry[]): LogUpdate {
  const seq = entries.at(-1)?.seq ?? 0;
  return { head: { seq, tail: idOf(seq) }, asOf: new Date(seq), keysVersion: "k0", entries };
}

const open = () => createRevocationBroadcaster(({ seq }) => Uint8Array.of(seq));

describe("a watcher's wait", () => {
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

  test("ends immediately if something is due", async () => {
    using watcher = open().join();
    expect(await follow(watcher.until(() => true, never))()).toBe(true);
  });

  test("ends with the first read after which something is due for this watcher", async () => {
    const broadcaster = open();
    using one = broadcaster.join();
    using other = broadcaster.join();
    broadcaster.replace(updateOf());
    const { end } = one.buffer;
    const isOneOver = follow(one.until(() => one.buffer.end >= end + 1, never));
    const isOtherOver = follow(other.until(() => other.buffer.end >= end + 2, never));
    broadcaster.append({ ...updateOf(), entries: [] });
    expect([await isOneOver(), await isOtherOver()]).toEqual([false, false]);
    broadcaster.append(updateOf(entry(1)));
    expect([await isOneOver(), await isOtherOver()]).toEqual([true, false]);
    broadcaster.append(updateOf(entry(2)));
    expect(await isOtherOver()).toBe(true);
  });

  test("ends when the log is replaced", async () => {
    const broadcaster = open();
    broadcaster.replace(updateOf(entry(1)));
    using watcher = broadcaster.join();
    const { end } = watcher.buffer;
    const isOver = follow(watcher.until(() => watcher.buffer.end !== end, never));
    broadcaster.replace(updateOf(entry(1)));
    expect(await isOver()).toBe(true);
  });

  test("ends with its signal, after which its condition is no longer called", async () => {
    const broadcaster = open();
    using watcher = broadcaster.join();
    const hungUp = new AbortController();
    let calls = 0;
    const isOver = follow(
      watcher.until(() => {
        calls += 1;
        return false;
      }, hungUp.signal),
    );
    expect(await isOver()).toBe(false);
    hungUp.abort();
    expect(await isOver()).toBe(true);
    const before = calls;
    broadcaster.append(updateOf(entry(1)));
    expect(calls).toBe(before);
    expect(await follow(watcher.until(() => false, hungUp.signal))()).toBe(true);
  });
});

test("counts the watchers that have joined and not left", () => {
  const broadcaster = open();
  const one = broadcaster.join();
  const other = broadcaster.join();
  expect(broadcaster.watchers).toBe(2);
  one[Symbol.dispose]();
  other[Symbol.dispose]();
  expect(broadcaster.watchers).toBe(0);
});

test("a watcher sees each read as another object with the read's time and version of the keys", () => {
  const broadcaster = open();
  using watcher = broadcaster.join();
  expect(watcher.lastRead).toBeUndefined();
  const update = updateOf(entry(1));
  broadcaster.replace(update);
  const { lastRead } = watcher;
  expect(lastRead).toEqual({ asOf: new Date(1), keysVersion: "k0" });
  broadcaster.append({ ...update, entries: [] });
  expect(watcher.lastRead).toEqual(lastRead);
  expect(watcher.lastRead).not.toBe(lastRead);
});

test("forgets expired entries, and no others", () => {
  const broadcaster = open();
  using watcher = broadcaster.join();
  broadcaster.replace(updateOf(entry(1, 100)));
  const { start, end } = watcher.buffer;
  broadcaster.forget(100);
  expect(watcher.buffer.start).toBe(start);
  broadcaster.forget(101);
  expect(watcher.buffer.start).toBe(end);
});

/** Waits until everything that needs no outside event has run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
