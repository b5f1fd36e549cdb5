import { describe, expect, test } from "vitest";
import { createPublicCalls, type PublicCalls } from "./public-calls.ts";

/** A call that counts what happens to it. */
class Call {
  readonly connection: object;
  started = 0;
  refused = 0;
  resets = 0;
  end = () => {};

  constructor(connection: object = {}) {
    this.connection = connection;
  }

  start(): void {
    this.started += 1;
  }

  refuse(): void {
    this.refused += 1;
  }

  reset(): void {
    this.resets += 1;
  }
}

/** Calls, and an event loop that turns when a test says so. */
function create(slots: number) {
  const turns: (() => void)[] = [];
  const calls = createPublicCalls(slots, (callBack) => void turns.push(callBack));
  return { calls, turn: () => turns.shift()?.() };
}

function open(calls: PublicCalls, connection?: object): Call {
  const call = new Call(connection);
  call.end = calls.open(call);
  return call;
}

function openMany(calls: PublicCalls, count: number, connection?: object): Call[] {
  return Array.from({ length: count }, () => open(calls, connection));
}

const refusals = (all: readonly Call[]) => all.map(({ refused }) => refused);
const started = (all: readonly Call[]) => all.filter((call) => call.started > 0);

describe("slots", () => {
  /** Calls that start at once. */
  const createSlots = (slots: number) => createPublicCalls(slots, (callBack) => callBack());

  test("one connection may use all slots if no other connection needs them", () => {
    const calls = createSlots(100);
    expect(refusals(openMany(calls, 100, {}))).toEqual(Array(100).fill(0));
    expect(calls.refused).toBe(0);
  });

  test("a new call takes that of the oldest one, which is refused once", () => {
    const calls = createSlots(3);
    const held = openMany(calls, 3, {});
    const honest = open(calls);
    expect(refusals([...held, honest])).toEqual([1, 0, 0, 0]);
    openMany(calls, 2);
    expect(refusals([...held, honest])).toEqual([1, 1, 1, 0]);
    expect(calls.refused).toBe(3);
  });

  test("a call keeps its own until as many new calls have come as there are slots", () => {
    const calls = createSlots(64);
    openMany(calls, 64, {});
    const honest = open(calls);
    openMany(calls, 63, {});
    expect(honest.refused).toBe(0);
    open(calls);
    expect(honest.refused).toBe(1);
  });

  test("a call that ends gives its own back, once", () => {
    const calls = createSlots(4);
    const first = open(calls);
    const others = openMany(calls, 3);
    first.end();
    first.end();
    others.push(open(calls));
    expect(refusals([first, ...others])).toEqual([0, 0, 0, 0, 0]);
    open(calls);
    expect(refusals([first, ...others])).toEqual([0, 1, 0, 0, 0]);
  });

  test("a call that was refused and ends afterwards gives none back", () => {
    const calls = createSlots(1);
    const first = open(calls);
    const second = open(calls);
    first.end();
    open(calls);
    expect(refusals([first, second])).toEqual([1, 1]);
  });

  test("an accepted credential frees those of its connection, and its calls are never refused", () => {
    const calls = createSlots(4);
    const known = {};
    const early = openMany(calls, 4, known);
    calls.trust(known);
    const later = openMany(calls, 128, known);
    const others = openMany(calls, 4);
    expect(refusals([...early, ...later, ...others]).every((refused) => refused === 0)).toBe(true);
    open(calls);
    expect(refusals(others)).toEqual([1, 0, 0, 0]);
    expect(calls.refused).toBe(1);
  });

  test("as many refusals may be unread, and above that the oldest resets its connection", () => {
    const calls = createSlots(2);
    const held = openMany(calls, 4);
    expect(refusals(held)).toEqual([1, 1, 0, 0]);
    open(calls);
    expect(held.map(({ resets }) => resets)).toEqual([1, 0, 0, 0]);
    held[1]?.end();
    open(calls);
    expect(held.map(({ resets }) => resets)).toEqual([1, 0, 0, 0]);
  });

  test("an unread refusal does not reset a connection on which a credential was accepted since", () => {
    const calls = createSlots(1);
    const held = openMany(calls, 2);
    calls.trust(held[0]?.connection ?? {});
    openMany(calls, 2);
    expect(held.map(({ resets }) => resets)).toEqual([0, 1]);
  });

  test("a call on a connection without a place is refused, and counts among the unread refusals", () => {
    const calls = createSlots(1);
    const call = new Call();
    const end = calls.refuse(call);
    end();
    calls.refuse(call);
    expect(call).toMatchObject({ started: 0, refused: 2, resets: 0 });
    const other = new Call();
    calls.refuse(other);
    expect([call.resets, other.refused, other.resets]).toEqual([1, 1, 0]);
  });
});

describe("in one turn of the event loop", () => {
  test("32 calls start, and all in the end", () => {
    const { calls, turn } = create(1_000);
    const flood = openMany(calls, 100, {});
    expect(started(flood)).toHaveLength(0);
    for (const count of [32, 64, 96, 100, 100]) {
      turn();
      expect(started(flood)).toHaveLength(count);
    }
    expect(flood.every((call) => call.started === 1)).toBe(true);
  });

  test("a call of another connection starts, however many calls of one connection wait", () => {
    const { calls, turn } = create(1_000);
    const flood = openMany(calls, 1_000, {});
    turn();
    const honest = open(calls);
    turn();
    expect(honest.started).toBe(1);
    expect(started(flood)).toHaveLength(63);
  });

  test("every call on a connection with an accepted credential starts", () => {
    const { calls, turn } = create(1_000);
    openMany(calls, 1_000, {});
    const known = {};
    const early = openMany(calls, 100, known);
    turn();
    expect(started(early).length).toBeLessThan(100);
    calls.trust(known);
    calls.trust(known);
    const later = openMany(calls, 100, known);
    expect([...early, ...later].every((call) => call.started === 1)).toBe(true);
  });

  test("a call that has ended does not start", () => {
    const { calls, turn } = create(1_000);
    const [first, second] = [open(calls), open(calls)];
    first.end();
    turn();
    expect([first.started, second.started]).toEqual([0, 1]);
  });
});

describe("when four calls wait for each slot", () => {
  test("a connection has its share of them, and its further calls are refused without a start", () => {
    const { calls, turn } = create(25);
    const flood = openMany(calls, 120, {});
    expect(refusals(flood)).toEqual([...Array(100).fill(0), ...Array(20).fill(1)]);
    const honest = openMany(calls, 60, {});
    expect(honest.filter(({ refused }) => refused === 0)).toHaveLength(50);
    turn();
    expect(started(honest)).toHaveLength(16);
    expect(calls.refused).toBe(20 + 10 + 7);
  });

  test("one call of every connection may wait", () => {
    const { calls } = create(1);
    expect(refusals(openMany(calls, 100))).toEqual(Array(100).fill(0));
  });
});
