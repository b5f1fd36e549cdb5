import { generateKeyPairSync } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { WatchRevocationsResponseSchema } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type FeedEvent, openRevocationStream, type RevocationStream } from "./stream.ts";
import { checkpoint, FakeServer } from "./watch.fixture.ts";

let server: FakeServer;
let feed: RevocationStream;
let events: FeedEvent[];
let random: number;
/** The time that the monotonic clock has not counted. */
let jumpedMs: number;
const nowMs = () => Date.now() - 1_789_000_000_000 + jumpedMs;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_790_000_000_000 });
  server = new FakeServer();
  events = [];
  random = 1;
  jumpedMs = 0;
  feed = openRevocationStream({
    watch: (cursor, signal) => server.watch(cursor, signal),
    clock: {
      nowMs,
      get jumpedMs() {
        return jumpedMs;
      },
    },
    random: () => random,
    onEvent: (event) => events.push(event),
  });
});
afterEach(async () => {
  await feed[Symbol.asyncDispose]();
  // It leaves nothing behind that would keep a process alive.
  expect(vi.getTimerCount()).toBe(0);
  expect(server.streams.every(({ signal }) => signal.aborted)).toBe(true);
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const kinds = () => events.map(({ kind }) => kind);
const age = () => feed.log.ageMs(nowMs());
/** Whether `started` has resolved. */
async function hasStarted(): Promise<boolean> {
  const unsettled = Symbol();
  return (await Promise.race([feed.started, Promise.resolve(unsettled)])) !== unsettled;
}
async function send(...args: Parameters<typeof checkpoint>): Promise<void> {
  server.last.send(checkpoint(...args));
  await pass(0);
}
/** How long it rests before it calls again. */
async function restMs(): Promise<number> {
  const before = server.streams.length;
  for (let ms = 0; ; ms += 1) {
    await pass(0);
    if (server.streams.length > before) return ms;
    if (ms > 60_000) throw new Error("it does not call again");
    await pass(1);
  }
}
const jwks = (kid: string) =>
  JSON.stringify({
    keys: [{ kid, alg: "EdDSA", ...generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }) }],
  });

describe("a stream", () => {
  test("is opened immediately, from the start, and synced by its first checkpoint", async () => {
    expect(server.streams.map(({ cursor }) => cursor)).toEqual([""]);
    server.last.send(create(WatchRevocationsResponseSchema, { cursor: "c0" }));
    await pass(5);
    expect([await hasStarted(), kinds(), age()]).toEqual([false, [], Infinity]);
    await send(Date.now(), { sequence: 7 });
    expect([await hasStarted(), kinds(), age(), feed.log.sequence]).toEqual([true, ["synced"], 6, 7]);
    await pass(2_000);
    await send(Date.now(), { sequence: 7 });
    expect(kinds()).toEqual(["synced"]);
  });

  test("that ends normally is followed by another one from the last cursor", async () => {
    await send(Date.now(), { cursor: "c1" });
    await send(Date.now(), { cursor: "c2" });
    server.last.end();
    expect(await restMs()).toBe(500);
    expect(server.streams.map(({ cursor }) => cursor)).toEqual(["", "c2"]);
    expect(events).toEqual([{ kind: "synced" }, { kind: "disconnected" }]);
    await send(Date.now());
    expect(kinds()).toEqual(["synced", "disconnected", "synced"]);
  });

  test("that fails reports the reason", async () => {
    const error = new ConnectError("reset", Code.Unavailable);
    server.last.fail(error);
    await pass(0);
    expect(events).toEqual([{ kind: "disconnected", error }]);
  });
});

describe("the delay before the next call", () => {
  test("grows with streams that fail one after the other, up to 5 s", async () => {
    const rests: number[] = [];
    for (let round = 0; round < 12; round += 1) {
      server.last.fail(new Error("no"));
      rests.push(await restMs());
    }
    expect(rests).toEqual([500, 1_000, 2_000, 4_000, ...Array(8).fill(5_000)]);
  });

  test("grows with streams that end without a checkpoint as well", async () => {
    const rests: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      server.last.end();
      rests.push(await restMs());
    }
    expect(rests).toEqual([500, 1_000, 2_000]);
  });

  test("is short again after a stream that was synced", async () => {
    for (let round = 0; round < 5; round += 1) {
      server.last.fail(new Error("no"));
      await restMs();
    }
    await send(Date.now());
    server.last.fail(new Error("no"));
    expect(await restMs()).toBe(500);
  });

  test("is random", async () => {
    for (const [draw, expected] of [
      [0, 0],
      [0.5, 500],
      [0.25, 500],
    ] as const) {
      random = draw;
      server.last.fail(new Error("no"));
      expect(await restMs()).toBe(expected);
    }
  });
});

describe("a silent server", () => {
  test("is disconnected after 6 s, with the reason", async () => {
    await send(Date.now());
    await pass(5_999);
    expect(server.last.signal.aborted).toBe(false);
    await pass(1);
    expect(server.last.signal.aborted).toBe(true);
    expect(events.at(-1)).toEqual({ kind: "disconnected", error: new Error("the server sent nothing") });
    expect(await restMs()).toBe(500);
  });

  test("is disconnected also while it connects", async () => {
    await pass(6_000);
    expect(kinds()).toEqual(["disconnected"]);
    expect(server.streams[0]?.signal.aborted).toBe(true);
  });

  test("is not one that sends messages without a checkpoint", async () => {
    for (let round = 0; round < 10; round += 1) {
      await pass(5_900);
      server.last.send(create(WatchRevocationsResponseSchema, { cursor: "c" }));
      await pass(0);
    }
    expect([server.streams.length, kinds()]).toEqual([1, []]);
  });
});

describe("a checkpoint that is too old on arrival", () => {
  test("causes another call: reading the rest of the log is faster", async () => {
    for (let round = 1; round <= 4; round += 1) {
      await pass(3_000);
      server.last.send(create(WatchRevocationsResponseSchema, { cursor: `c${round}` }));
    }
    await send(Date.now(), { cursor: "end" });
    expect([await hasStarted(), kinds()]).toEqual([false, ["disconnected"]]);
    expect(server.streams[0]?.signal.aborted).toBe(true);
    await restMs();
    expect(server.last.cursor).toBe("end");
    await send(Date.now());
    expect([await hasStarted(), kinds(), age()]).toEqual([true, ["disconnected", "synced"], 1]);
  });

  test("after the database's clock was set back: the next stream uses the new time", async () => {
    await send(Date.now());
    await pass(2_000);
    await send(Date.now() - 3_600_000);
    expect(kinds()).toEqual(["synced", "disconnected"]);
    await restMs();
    await send(Date.now() - 3_600_000);
    expect([kinds().at(-1), age()]).toEqual(["synced", 1]);
  });
});

describe("time that the monotonic clock has not counted", () => {
  test("makes the data older immediately", async () => {
    await send(Date.now());
    jumpedMs += 3_600_000;
    expect(age()).toBe(3_600_001);
  });

  test("a checkpoint from before the machine was suspended does not look fresh", async () => {
    await send(Date.now());
    const before = checkpoint(Date.now() + 1_000);
    jumpedMs += 3_600_000;
    server.last.send(before);
    await pass(0);
    expect(age()).toBe(3_599_001);
    expect(kinds()).toEqual(["synced", "disconnected"]);
  });

  test("a stream that survived a suspension recovers with the next checkpoint", async () => {
    await send(Date.now());
    jumpedMs += 3_600_000;
    await send(Date.now() + 3_600_000);
    expect([age(), kinds()]).toEqual([1, ["synced"]]);
  });

  test("if only the wall clock was set ahead, the next stream has the right age", async () => {
    await send(Date.now());
    jumpedMs += 5_000;
    await send(Date.now());
    expect([age(), kinds()]).toEqual([5_001, ["synced", "disconnected"]]);
    await restMs();
    await send(Date.now());
    expect([age(), kinds().at(-1)]).toEqual([1, "synced"]);
  });
});

describe("a cursor that the server does not accept", () => {
  test.each([Code.OutOfRange, Code.InvalidArgument])(
    "causes a start from the beginning: code %i",
    async (code) => {
      await send(Date.now(), { cursor: "c1" });
      server.last.fail(new ConnectError("no", code));
      await restMs();
      expect(server.last.cursor).toBe("");
      expect(kinds()).toEqual(["synced", "disconnected", "started_over"]);
      expect(age()).toBe(501);
      await send(Date.now(), { cursor: "c2" });
      expect(age()).toBe(1);
    },
  );

  test.each([Code.Unavailable, Code.Unauthenticated, Code.PermissionDenied, Code.Internal])(
    "is not what another refusal says: code %i",
    async (code) => {
      await send(Date.now(), { cursor: "c1" });
      server.last.fail(new ConnectError("no", code));
      await restMs();
      expect(server.last.cursor).toBe("c1");
    },
  );
});

describe("an unknown kind of entry", () => {
  const strange = create(WatchRevocationsResponseSchema, { revocations: [{ sequence: 1n }], cursor: "c1" });

  test("makes it stale, and the next stream reads from the start", async () => {
    await send(Date.now());
    server.last.send(strange);
    await pass(0);
    await send(Date.now());
    expect([kinds(), age()]).toEqual([["synced", "not_understood"], Infinity]);
    server.last.end();
    await restMs();
    expect(server.last.cursor).toBe("");
    await send(Date.now());
    expect([kinds(), age()]).toEqual([["synced", "not_understood", "disconnected", "synced"], 1]);
  });

  test("prevents the start", async () => {
    server.last.send(strange);
    await send(Date.now());
    expect([await hasStarted(), kinds(), age()]).toEqual([false, ["not_understood"], Infinity]);
  });
});

describe("keys", () => {
  test("are sent completely, and replace the earlier ones", async () => {
    expect(feed.keys).toBeUndefined();
    await send(Date.now(), { jwks: jwks("one") });
    await send(Date.now());
    expect([...(feed.keys?.keys() ?? [])]).toEqual(["one"]);
    await send(Date.now(), { jwks: jwks("two") });
    expect([...(feed.keys?.keys() ?? [])]).toEqual(["two"]);
    expect(events.filter(({ kind }) => kind === "keys")).toEqual([
      { kind: "keys", kids: ["one"] },
      { kind: "keys", kids: ["two"] },
    ]);
  });

  test("that are the same stay the same objects", async () => {
    const keys = jwks("one");
    await send(Date.now(), { jwks: keys });
    const before = feed.keys?.get("one");
    await send(Date.now(), { jwks: keys });
    expect(feed.keys?.get("one")).toBe(before);
    expect(kinds()).toEqual(["keys", "synced"]);
  });

  test("that changed under the same IDs are reported", async () => {
    await send(Date.now(), { jwks: jwks("one") });
    const before = feed.keys?.get("one");
    await send(Date.now(), { jwks: jwks("one") });
    expect(feed.keys?.get("one")).not.toBe(before);
    expect(kinds()).toEqual(["keys", "synced", "keys"]);
  });

  test("that cannot be read end the stream: the earlier ones are used until the data is too old", async () => {
    await send(Date.now(), { jwks: jwks("one") });
    await send(Date.now(), { jwks: "{}" });
    expect([...(feed.keys?.keys() ?? [])]).toEqual(["one"]);
    expect(kinds()).toEqual(["keys", "synced", "disconnected"]);
    expect(events.at(-1)).toMatchObject({ error: { message: expect.stringContaining("key set") } });
    expect(server.last.signal.aborted).toBe(true);
  });
});

describe("closing", () => {
  test("ends the stream without an event, and no other stream follows", async () => {
    await send(Date.now());
    await feed[Symbol.asyncDispose]();
    expect(server.last.signal.aborted).toBe(true);
    await pass(60_000);
    expect([server.streams.length, kinds()]).toEqual([1, ["synced"]]);
  });

  test("while it connects ends the connection attempt, and resolves `started`", async () => {
    await feed[Symbol.asyncDispose]();
    expect([await hasStarted(), server.last.signal.aborted, kinds()]).toEqual([true, true, []]);
  });

  test("during the delay ends the delay", async () => {
    server.last.fail(new Error("no"));
    await pass(100);
    await feed[Symbol.asyncDispose]();
    await pass(60_000);
    expect(server.streams.length).toBe(1);
  });

  test("from within an event ends it as well", async () => {
    await feed[Symbol.asyncDispose]();
    let closed: PromiseLike<void> | undefined;
    const other: RevocationStream = openRevocationStream({
      watch: (cursor, signal) => server.watch(cursor, signal),
      clock: { nowMs: () => Date.now(), jumpedMs: 0 },
      random: () => 1,
      onEvent: () => {
        closed = other[Symbol.asyncDispose]();
      },
    });
    server.last.fail(new Error("no"));
    await pass(0);
    await closed;
    await pass(60_000);
    expect(server.streams.length).toBe(2);
  });

  test("twice is allowed", async () => {
    await feed[Symbol.asyncDispose]();
    await feed[Symbol.asyncDispose]();
  });
});
