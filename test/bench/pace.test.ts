import { expect, test } from "vitest";
import { inFlight } from "./generators/load.ts";
import { createPace } from "./pace.ts";

const figures = { serverMs: 1, postgresMs: 1, redisMs: 0, p50Ms: 1, p99Ms: 1 };

test("two rounds find out how many calls fill one, and the later ones make as many", async () => {
  const pace = createPace(() => {});
  const made: number[] = [];
  const fill = () =>
    pace.fill("case", { seconds: 2, firstCalls: 100 }, async (calls) => {
      made.push(calls);
      return { ...figures, calls, perSecond: made.length * 1_000 };
    });
  expect((await fill()).perSecond).toBe(3_000);
  await fill();
  expect(made).toEqual([100, 2_000, 4_000, 4_000]);
});

test("no round has fewer calls than are in flight", async () => {
  const pace = createPace(() => {});
  const made: number[] = [];
  await pace.fill("case", { seconds: 0.001, firstCalls: 100 }, async (calls) => {
    made.push(calls);
    return { ...figures, calls, perSecond: 1 };
  });
  expect(made).toEqual([inFlight, inFlight, inFlight]);
});

test("a failed round is repeated and reported; a round that keeps failing ends the run", async () => {
  const pace = createPace(() => {});
  let left = 2;
  const run = async () => {
    if (left-- > 0) throw new Error("a call was refused");
    return "figures";
  };
  expect(await pace.attempt("case", run)).toBe("figures");
  expect(pace.discarded).toEqual(["case: a call was refused", "case: a call was refused"]);
  left = 3;
  await expect(pace.attempt("case", run)).rejects.toThrow("a call was refused");
});
