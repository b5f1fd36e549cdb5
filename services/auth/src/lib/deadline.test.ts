import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { remainingMs, withDeadline, withoutDeadline } from "./deadline.ts";

test("a deadline holds through awaits, for its own call alone", async () => {
  const far = performance.now() + 3_600_000;
  const inside = withDeadline(far, async () => {
    await turn();
    return remainingMs();
  });
  expect(remainingMs()).toBe(Number.POSITIVE_INFINITY);
  expect(await inside).toBeLessThanOrEqual(3_600_000);
});

test("one that has passed leaves nothing, and shared work has none", async () => {
  await withDeadline(performance.now() - 1, async () => {
    expect(remainingMs()).toBe(0);
    expect(withoutDeadline(remainingMs)).toBe(Number.POSITIVE_INFINITY);
  });
});
