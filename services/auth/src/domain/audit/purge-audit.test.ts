import { expect, test } from "vitest";
import { purgeAudit } from "./purge-audit.ts";

/** Purges where the store answers so, one after the other. @returns how often it was asked, and what was thrown */
async function purged(answers: readonly (number | "busy")[], abortAfter = Number.POSITIVE_INFINITY) {
  const asked: [number, number][] = [];
  const ending = new AbortController();
  const outcome = await purgeAudit(
    {
      audit: {
        async purge(keptForMs, limit) {
          asked.push([keptForMs, limit]);
          if (asked.length >= abortAfter) ending.abort();
          return answers[asked.length - 1] ?? 0;
        },
      },
      retentionMs: 5,
      pause: async (_, signal) => signal.throwIfAborted(),
    },
    ending.signal,
  ).then(
    () => "done",
    () => "ended",
  );
  return { asked, outcome };
}

test("goes on, with pauses, until a batch is not full", async () => {
  const { asked, outcome } = await purged([1_000, 1_000, 999]);
  expect(asked).toEqual([
    [5, 1_000],
    [5, 1_000],
    [5, 1_000],
  ]);
  expect(outcome).toBe("done");
});

test("leaves it to a replica that is at it", async () => {
  expect((await purged([1_000, "busy", 1_000])).asked).toHaveLength(2);
});

test("ends with the signal", async () => {
  expect(await purged(Array(10).fill(1_000), 2)).toMatchObject({ outcome: "ended", asked: { length: 2 } });
});
