import { expect, test } from "vitest";
import { createFairQueue } from "./fair-queue.ts";

function takeAll(queue: { take(): string | undefined }): string[] {
  const taken: string[] = [];
  for (let item = queue.take(); item !== undefined; item = queue.take()) taken.push(item);
  return taken;
}

test("keys take turns, and the items of one key stay in order", () => {
  const queue = createFairQueue<string>();
  const [one, other] = [{}, {}];
  for (const item of ["a1", "a2", "a3", "a4"]) queue.add(one, item);
  for (const item of ["b1", "b2"]) queue.add(other, item);
  expect(takeAll(queue)).toEqual(["a1", "b1", "a2", "b2", "a3", "a4"]);
  expect(queue.size).toBe(0);
});

test("a key that comes later waits for one item of each key at most", () => {
  const queue = createFairQueue<string>();
  const one = {};
  for (let count = 0; count < 1_000; count += 1) queue.add(one, "flood");
  for (let count = 0; count < 1_000; count += 1) queue.add(one, `flood ${count}`);
  queue.take();
  queue.add({}, "late");
  expect([queue.take(), queue.take()]).toContain("late");
});

test("all items of one key are taken at once, and those of others stay", () => {
  const queue = createFairQueue<string>();
  const [one, other] = [{}, {}];
  for (const item of ["a1", "a2"]) queue.add(one, item);
  queue.add(other, "b1");
  expect(queue.takeAll(one)).toEqual(["a1", "a2"]);
  expect(queue.takeAll(one)).toEqual([]);
  expect([queue.size, queue.keys]).toEqual([1, 1]);
  expect(takeAll(queue)).toEqual(["b1"]);
});

test("a deleted item is never taken, and no longer counts", () => {
  const queue = createFairQueue<string>();
  const [one, other] = [{}, {}];
  queue.add(one, "a1");
  queue.add(other, "b1");
  queue.add(other, "b2");
  queue.delete(one, "a1");
  queue.delete(one, "a1");
  queue.delete(other, "b1");
  expect([queue.size, queue.count(one), queue.count(other)]).toEqual([1, 0, 1]);
  expect(takeAll(queue)).toEqual(["b2"]);
  expect(queue.keys).toBe(0);
  queue.add(one, "a3");
  expect(takeAll(queue)).toEqual(["a3"]);
});
