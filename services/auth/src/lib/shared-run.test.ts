import { expect, test } from "vitest";
import { createSharedRun } from "./shared-run.ts";

test("callers share the run that has not begun, never the one in flight", async () => {
  const runs: PromiseWithResolvers<string>[] = [];
  const run = createSharedRun(() => {
    const begun = Promise.withResolvers<string>();
    runs.push(begun);
    return begun.promise;
  });
  const first = run();
  await Promise.resolve();
  expect(runs).toHaveLength(1);
  const others = [run(), run()];
  await Promise.resolve();
  expect(runs).toHaveLength(1);
  runs[0]?.resolve("first");
  expect(await first).toBe("first");
  await Promise.resolve();
  expect(runs).toHaveLength(2);
  runs[1]?.resolve("second");
  expect(await Promise.all(others)).toEqual(["second", "second"]);
});

test("a run that fails, fails for those that shared it, and the next one begins", async () => {
  let runs = 0;
  const run = createSharedRun(async () => {
    runs += 1;
    if (runs === 1) throw new Error("away");
    return runs;
  });
  const shared = [run(), run()];
  expect(await Promise.allSettled(shared)).toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
  expect(await run()).toBe(2);
});
