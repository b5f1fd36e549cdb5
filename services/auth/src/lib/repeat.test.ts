import { expect, test } from "vitest";
import { repeat } from "./repeat.ts";

const often = { everyMs: 0, random: () => 0.5 };

test("works again and again, after a run that failed too, and never two at a time", async () => {
  const faults: unknown[] = [];
  let runs = 0;
  let atOnce = 0;
  const done = Promise.withResolvers<void>();
  await using _ = repeat(
    async () => {
      atOnce += 1;
      expect(atOnce).toBe(1);
      await Promise.resolve();
      atOnce -= 1;
      runs += 1;
      if (runs === 4) done.resolve();
      if (runs % 2 === 0) throw new Error(`run ${runs}`);
    },
    { ...often, onFault: (error) => faults.push((error as Error).message) },
  );
  await done.promise;
  expect(faults.slice(0, 1)).toEqual(["run 2"]);
});

test("an end aborts the current run, waits for it, and reports no fault of it", async () => {
  const faults: unknown[] = [];
  const begun = Promise.withResolvers<void>();
  let ended = false;
  const repeated = repeat(
    async (signal) => {
      begun.resolve();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      ended = true;
      throw new Error("interrupted");
    },
    { ...often, onFault: (error) => faults.push(error) },
  );
  await begun.promise;
  await repeated[Symbol.asyncDispose]();
  expect([ended, faults]).toEqual([true, []]);
});

test("an end in a pause ends it", async () => {
  const repeated = repeat(async () => expect.unreachable(), {
    everyMs: 3_600_000,
    random: () => 0.5,
    onFault: () => {},
  });
  await repeated[Symbol.asyncDispose]();
});
