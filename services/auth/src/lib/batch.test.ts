import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createBatch } from "./batch.ts";

test("what is asked while a load is in flight is loaded together, each key once", async () => {
  const loads: string[][] = [];
  const held: (() => void)[] = [];
  const read = createBatch(async (keys: ReadonlySet<string>) => {
    loads.push([...keys]);
    await new Promise<void>((resolve) => held.push(resolve));
    return new Map([...keys].map((key) => [key, key.toUpperCase()]));
  });
  const first = read("a");
  await turn();
  const later = [read("b"), read("c"), read("b")];
  await turn();
  expect(loads).toEqual([["a"]]);
  held.shift()?.();
  expect(await first).toBe("A");
  await turn();
  expect(loads).toEqual([["a"], ["b", "c"]]);
  held.shift()?.();
  expect(await Promise.all(later)).toEqual(["B", "C", "B"]);
});

test("a key of which nothing is known is undefined, and a load that fails fails those that share it alone", async () => {
  let fails = true;
  const read = createBatch(async (_: ReadonlySet<string>) => {
    if (fails) throw new TypeError("no");
    return new Map<string, string>();
  });
  const both = await Promise.allSettled([read("a"), read("b")]);
  expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  fails = false;
  expect(await read("a")).toBeUndefined();
});
