import { expect, test } from "vitest";
import { type CleanedKind, type Cleaner, cleanedKinds } from "../ports/cleaner.ts";
import { clean } from "./clean.ts";

interface Batch {
  readonly kind: CleanedKind;
  readonly limit: number;
  readonly from: Date | undefined;
}

/** Cleans so many rows, each of which takes a batch `msPerRow`. */
function bench(rows: Partial<Record<CleanedKind, number>>, msPerRow = 0.01) {
  const left = { sessions: 0, revocations: 0, addresses: 0, ...rows };
  const state = { nowMs: 0, busyAfter: Number.POSITIVE_INFINITY };
  const batches: Batch[] = [];
  const pauses: number[] = [];
  const cleaned: Record<string, number> = {};
  const stopping = new AbortController();
  const cleaner: Cleaner = {
    async clean(kind, { limit, from }) {
      if (batches.length >= state.busyAfter) return { kind: "busy" };
      const count = Math.min(limit, left[kind]);
      left[kind] -= count;
      state.nowMs += count * msPerRow;
      batches.push({ kind, limit, from });
      return { kind: "cleaned", rows: count, upTo: count === 0 ? undefined : new Date(batches.length) };
    },
  };
  const run = () =>
    clean(
      {
        cleaner,
        monotonicMs: () => state.nowMs,
        pause: async (ms) => void pauses.push(ms),
        onCleaned(kind, count) {
          cleaned[kind] = (cleaned[kind] ?? 0) + count;
        },
      },
      stopping.signal,
    );
  return { state, batches, pauses, cleaned, left, stopping, run };
}

test("looks at every kind, and has done with those that are clean", async () => {
  const { run, batches } = bench({});
  await run();
  expect(batches.map(({ kind }) => kind)).toEqual(cleanedKinds);
});

test("goes on until a batch comes back short, from where the one before ended", async () => {
  const { run, batches, cleaned, left } = bench({ sessions: 2_400, revocations: 100 });
  await run();
  expect(left).toEqual({ sessions: 0, revocations: 0, addresses: 0 });
  expect(cleaned).toEqual({ sessions: 2_400, revocations: 100, addresses: 0 });
  expect(batches.filter(({ kind }) => kind === "sessions")).toEqual(
    [100, 200, 400, 800, 1_000].map((limit, index) => ({
      kind: "sessions",
      limit,
      from: index === 0 ? undefined : new Date(index),
    })),
  );
  expect(batches.filter(({ kind }) => kind === "revocations").map(({ from }) => from)).toEqual([
    undefined,
    new Date(6),
  ]);
});

test("takes fewer at once where batches are slow, and rests after each three times as long as it took", async () => {
  const { run, batches, pauses } = bench({ sessions: 1_000 }, 0.3);
  await run();
  const limits = batches.filter(({ kind }) => kind === "sessions").map(({ limit }) => limit);
  expect(limits).toEqual([100, 200, 100, 200, 100, 200, 100, 200]);
  expect(pauses.map(Math.round)).toEqual([90, 180, 90, 180, 90, 180, 90]);
});

test("leaves everything to the other where another replica is at it", async () => {
  const { run, state, batches, cleaned, left } = bench({ sessions: 500, revocations: 500 });
  state.busyAfter = 1;
  await run();
  expect(batches).toHaveLength(1);
  expect(cleaned).toEqual({ sessions: 100 });
  expect(left.revocations).toBe(500);
});

test("gives up at the signal, between two batches", async () => {
  const { run, stopping, batches } = bench({ sessions: 500 });
  stopping.abort(new Error("it ends"));
  await expect(run()).rejects.toThrow("it ends");
  expect(batches).toEqual([]);
});
