import { expect, test } from "vitest";
import type { StatusError } from "../../call/outcome.ts";
import { createHealthWatches } from "./health-watches.ts";

function open(max: number) {
  const trusted = new WeakSet<object>();
  const timers = new Map<() => void, number>();
  const watches = createHealthWatches({
    max,
    isTrusted: (connection) => trusted.has(connection),
    random: () => 0.5,
    after(ms, callBack) {
      timers.set(callBack, ms);
      return () => timers.delete(callBack);
    },
  });
  return { watches, trusted, timers };
}

const code = (signal: AbortSignal) => (signal.aborted ? (signal.reason as StatusError).code : undefined);

test("a connection has four watches at most, and another one after one has ended", () => {
  const { watches } = open(100);
  const connection = {};
  const [first] = Array.from({ length: 4 }, () => watches.open(connection));
  expect(() => watches.open(connection)).toThrow(expect.objectContaining({ code: "resource_exhausted" }));
  expect(() => watches.open({})).not.toThrow();
  first?.[Symbol.dispose]();
  first?.[Symbol.dispose]();
  watches.open(connection);
  expect(() => watches.open(connection)).toThrow(expect.objectContaining({ code: "resource_exhausted" }));
});

test("a watch ends after an hour, and clients are asked to open a new one", () => {
  const { watches, timers } = open(100);
  const { ended } = watches.open({});
  const [[callBack, ms] = [() => {}, 0]] = timers;
  expect(ms).toBe(60 * 60_000);
  expect(code(ended)).toBe(undefined);
  callBack();
  expect(code(ended)).toBe("unavailable");
  expect(timers.size).toBe(0);
});

test("the oldest watch without a credential makes way for a new one", () => {
  const { watches, trusted } = open(3);
  const [known, one, other] = [{}, {}, {}];
  const kept = watches.open(known);
  trusted.add(known);
  const oldest = watches.open(one);
  const younger = watches.open(other);
  watches.open({});
  expect([kept, oldest, younger].map(({ ended }) => code(ended))).toEqual([
    undefined,
    "resource_exhausted",
    undefined,
  ]);
});

test("a new watch is refused where all others are of connections with a credential", () => {
  const { watches, trusted } = open(2);
  for (let index = 0; index < 2; index += 1) {
    const connection = {};
    trusted.add(connection);
    watches.open(connection);
  }
  expect(() => watches.open({})).toThrow(expect.objectContaining({ code: "resource_exhausted" }));
});

test("a watch whose client has gone leaves no timer", () => {
  const { watches, timers } = open(2);
  watches.open({})[Symbol.dispose]();
  expect(timers.size).toBe(0);
});

test("watches with a credential stay however many are opened without one, and none of them is ended twice", () => {
  const { watches, trusted } = open(4);
  const known = {};
  const kept = Array.from({ length: 2 }, () => watches.open(known));
  trusted.add(known);
  const others = Array.from({ length: 100 }, () => watches.open({}));
  expect(kept.map(({ ended }) => ended.aborted)).toEqual([false, false]);
  expect(others.filter(({ ended }) => !ended.aborted)).toEqual(others.slice(-2));
});
