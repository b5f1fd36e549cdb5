import { describe, expect, test, vi } from "vitest";
import { PosternError } from "../errors.ts";
import { type follow, headAt, jwk, open } from "./watch-revocations.fixture.ts";

const minute = 60_000;

describe("where it begins", () => {
  test("with the oldest living entry, all keys and a checkpoint", async () => {
    const server = open();
    server.revoke(3);
    const stream = server.watch();
    expect(await stream.next()).toEqual({
      ...{ entries: [1, 2, 3], kids: ["k0"], seq: 3, head: headAt(3) },
      checkpoint: { asOf: new Date(1_000_000), seq: 3 },
    });
    expect(await stream.isQuiet()).toBe(true);
  });

  test("with an empty log as well", async () => {
    const stream = open().watch();
    expect(await stream.next()).toMatchObject({ entries: [], kids: ["k0"], checkpoint: { seq: 0 }, seq: 0 });
  });

  test("with what follows the entry that the caller knows", async () => {
    const server = open();
    server.revoke(3);
    expect(await server.watch({ after: headAt(2) }).next()).toMatchObject({ entries: [3], kids: ["k0"] });
    expect(await server.watch({ after: headAt(3) }).next()).toMatchObject({ entries: [], kids: ["k0"] });
    expect(await server.watch({ after: headAt(0) }).next()).toMatchObject({ entries: [1, 2, 3] });
  });

  test("with an entry that came after the caller's, which this replica had not read yet", async () => {
    const server = open();
    server.revoke(2);
    server.read();
    // Another replica has told of the third.
    server.revoke(2);
    expect(await server.watch({ after: headAt(3) }).next()).toMatchObject({ entries: [4] });
  });

  test.each([
    ["that the log has not reached", headAt(4)],
    ["with another id under its number", headAt(2, 7)],
  ])("not at all from an entry %s", async (_, after) => {
    const server = open();
    server.revoke(3);
    await expect(server.watch({ after }).next()).rejects.toMatchObject({ reason: "CURSOR_TOO_OLD" });
    expect(server.feed.watchers).toBe(0);
  });

  test("not at all from an entry that is forgotten, nor from one that was lost with the database's history", async () => {
    const server = open();
    server.revoke(2_000, 100);
    server.load();
    server.feed.forget(101);
    await expect(server.watch({ after: headAt(700) }).next()).rejects.toMatchObject({
      reason: "CURSOR_TOO_OLD",
    });
    server.rewind(1_990);
    server.load();
    await expect(server.watch({ after: headAt(2_000) }).next()).rejects.toMatchObject({
      reason: "CURSOR_TOO_OLD",
    });
    expect(await server.watch({ after: headAt(1_990) }).next()).toMatchObject({ entries: [], seq: 1_990 });
  });

  test("not before the head was read, by a read that began after the call", async () => {
    const server = open();
    server.revoke();
    const asked = Promise.withResolvers<void>();
    server.readHead = () => asked.promise.then(server.read);
    const stream = server.watch();
    expect(await stream.isQuiet()).toBe(true);
    // A read that was on its way already is told in between.
    server.read();
    server.clock.ms = 700;
    expect(await stream.isQuiet()).toBe(true);
    asked.resolve();
    expect((await stream.next())?.checkpoint).toEqual({ asOf: new Date(1_000_700), seq: 1 });
  });

  test("not at all while the head cannot be read", async () => {
    const server = open();
    server.replica.isLost = true;
    await expect(server.watch().next()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect(server.feed.watchers).toBe(0);
  });
});

describe("what comes later", () => {
  test("an entry is sent once it was read, without waiting for a checkpoint", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    server.revoke(2);
    expect(await stream.isQuiet()).toBe(true);
    server.read();
    expect(await stream.next()).toEqual({
      ...{ entries: [1, 2], kids: undefined, checkpoint: undefined, seq: 2, head: headAt(2) },
    });
    server.read();
    expect(await stream.isQuiet()).toBe(true);
  });

  test("what came while the caller took nothing is sent together, in its order", async () => {
    const server = open();
    const [slow, quick] = [server.watch(), server.watch()];
    await Promise.all([slow.next(), quick.next()]);
    for (let seq = 1; seq <= 100; seq += 1) {
      server.revoke();
      server.read();
      expect((await quick.next())?.entries).toEqual([seq]);
    }
    expect((await slow.next())?.entries).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  test("much is sent in messages of 64 KiB at the most, and the checkpoint with the last of them", async () => {
    const server = open();
    server.replica.size = 1_000;
    server.revoke(200);
    const stream = server.watch();
    const sizes: number[] = [];
    const checkpoints: unknown[] = [];
    for (let sum = 0; sum < 200_000; sum += sizes.at(-1) ?? 0) {
      const update = await stream.next();
      sizes.push(update?.entries.length ?? 0);
      checkpoints.push(update?.checkpoint?.seq);
    }
    expect(sizes).toEqual([65_000, 65_000, 65_000, 5_000]);
    expect(checkpoints).toEqual([undefined, undefined, undefined, 200]);
  });
});

describe("checkpoints", () => {
  test("one every two seconds, each with the time of its own read and the log's end at that time", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    const told: unknown[] = [];
    for (let second = 1; second <= 7; second += 1) {
      server.clock.ms = second * 1_000;
      server.revoke();
      server.read();
      told.push((await stream.next())?.checkpoint);
    }
    const at = (second: number) => ({ asOf: new Date(1_000_000 + second * 1_000), seq: second });
    expect(told).toEqual([undefined, at(2), undefined, at(4), undefined, at(6), undefined]);
  });

  test("none while the head is not read, however long; then the stream goes on", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    server.clock.ms = 10 * minute;
    expect(await stream.isQuiet()).toBe(true);
    server.revoke();
    server.read();
    expect(await stream.next()).toMatchObject({
      ...{ entries: [1], checkpoint: { asOf: new Date(1_000_000 + 10 * minute), seq: 1 } },
    });
  });

  test("none of a read that one was of already, should the caller take it late", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    server.revoke();
    server.read();
    expect(await stream.next()).toMatchObject({ entries: [1], checkpoint: undefined });
    server.clock.ms = 5_000;
    // That read was not told of yet.
    expect(await stream.next()).toMatchObject({ checkpoint: { asOf: new Date(1_000_000), seq: 1 } });
    server.clock.ms = 20_000;
    expect(await stream.isQuiet()).toBe(true);
  });
});

describe("keys", () => {
  test("are sent whole whenever they are others", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    Object.assign(server.keyRing, { version: "k1", publicKeys: [jwk("k0"), jwk("k1")] });
    server.log.keysVersion = "k1";
    server.read();
    expect(await stream.next()).toMatchObject({ entries: [], kids: ["k0", "k1"], checkpoint: undefined });
    server.read();
    expect(await stream.isQuiet()).toBe(true);
  });

  test("there is no checkpoint of a read after which keys were others than those that were sent", async () => {
    const server = open();
    server.log.keysVersion = "k1";
    const stream = server.watch();
    expect(await stream.next()).toMatchObject({ kids: ["k0"], checkpoint: undefined });
    server.clock.ms = 3_000;
    server.read();
    expect(await stream.isQuiet()).toBe(true);
    Object.assign(server.keyRing, { version: "k1", publicKeys: [jwk("k1")] });
    server.read();
    expect(await stream.next()).toMatchObject({ kids: ["k1"], checkpoint: { seq: 0 } });
  });

  test("entries do not wait for keys", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    server.log.keysVersion = "k1";
    server.revoke();
    server.read();
    expect(await stream.next()).toMatchObject({ entries: [1], kids: undefined });
  });
});

describe("a log that was loaded anew", () => {
  test("goes on where it links up, without loss or repeat", async () => {
    const server = open();
    server.revoke(3);
    const stream = server.watch();
    await stream.next();
    server.revoke(2);
    server.log.entries.splice(0, 2);
    server.load();
    expect((await stream.next())?.entries).toEqual([4, 5]);
  });

  test("that was put back is CURSOR_TOO_OLD to who has what was lost, also in mid-stream", async () => {
    const server = open();
    server.revoke(3);
    const [behind, ahead] = [server.watch(), server.watch()];
    await Promise.all([behind.next(), ahead.next()]);
    server.revoke(2);
    server.read();
    await ahead.next();
    server.rewind(3);
    server.revoke(4);
    server.load();
    await expect(ahead.next()).rejects.toMatchObject({ reason: "CURSOR_TOO_OLD" });
    // What this one has is in both histories.
    expect(await behind.next()).toMatchObject({ entries: [4, 5, 6, 7], head: headAt(7, 1) });
    expect(server.feed.watchers).toBe(1);
  });

  test("in the midst of much that is being sent, it goes on from the last entry sent", async () => {
    const server = open();
    server.replica.size = 1_000;
    server.revoke(200);
    const stream = server.watch();
    await stream.next();
    server.load();
    // By its bytes: numbers repeat after 256.
    expect((await stream.next())?.entries.slice(0, 1)).toEqual([66]);
  });
});

test("who is so slow that what comes next is forgotten is refused with CURSOR_TOO_OLD", async () => {
  const server = open();
  server.replica.size = 1_000;
  server.revoke(2_000, 100);
  const stream = server.watch();
  await stream.next();
  server.feed.forget(101);
  await expect(stream.next()).rejects.toMatchObject({ reason: "CURSOR_TOO_OLD" });
  expect(server.feed.watchers).toBe(0);
});

describe("the caller's right to watch", () => {
  /** Lets time go by, second by second, each with a read of the head. */
  async function pass(server: ReturnType<typeof open>, stream: ReturnType<typeof follow>, seconds: number) {
    for (let second = 0; second < seconds; second += 1) {
      server.clock.ms += 1_000;
      server.read();
      if (!(await stream.isQuiet())) await stream.next();
    }
  }

  test("is looked at again every half minute", async () => {
    const server = open();
    const authorize = vi.fn(async () => {});
    const stream = server.watch({ authorize });
    await stream.next();
    await pass(server, stream, 29);
    expect(authorize).toHaveBeenCalledTimes(0);
    await pass(server, stream, 2);
    expect(authorize).toHaveBeenCalledTimes(1);
    await pass(server, stream, 89);
    expect(authorize).toHaveBeenCalledTimes(4);
  });

  test.each(["INVALID_CLIENT", "NOT_PERMITTED"] as const)(
    "lost, it ends the stream with %s",
    async (reason) => {
      const server = open();
      const stream = server.watch({ authorize: () => Promise.reject(new PosternError(reason)) });
      await stream.next();
      server.clock.ms = 30_000;
      server.revoke();
      server.read();
      await expect(stream.next()).rejects.toMatchObject({ reason });
      expect(server.feed.watchers).toBe(0);
    },
  );

  test("not to be known at the moment, it holds", async () => {
    const server = open();
    const authorize = vi.fn(() => Promise.reject(new PosternError("UNAVAILABLE")));
    const stream = server.watch({ authorize });
    await stream.next();
    await pass(server, stream, 61);
    expect(authorize).toHaveBeenCalledTimes(2);
    server.revoke();
    server.read();
    expect((await stream.next())?.entries).toEqual([1]);
  });

  test("is looked at, and the stream ends in time, also where no checkpoint can be sent", async () => {
    const server = open();
    const authorize = vi.fn(async () => {});
    const stream = server.watch({ authorize });
    await stream.next();
    server.log.keysVersion = "k1";
    await pass(server, stream, 31);
    expect(authorize).toHaveBeenCalledTimes(1);
    server.clock.ms = 40 * minute;
    server.read();
    expect(await stream.next()).toBeUndefined();
  });
});

describe("the end", () => {
  test.each([
    [0, 24],
    [0.5, 30],
    [1, 36],
  ])("with %f as a random number it comes after %i minutes, without an error", async (random, minutes) => {
    const server = open();
    const stream = server.watch({}, { random: () => random });
    await stream.next();
    server.clock.ms = minutes * minute - 1;
    server.revoke();
    server.read();
    expect((await stream.next())?.entries).toEqual([1]);
    server.clock.ms = minutes * minute + 1;
    server.revoke();
    server.read();
    expect(await stream.next()).toBeUndefined();
    expect(server.feed.watchers).toBe(0);
  });

  test("comes with that of the server, without an error, and for who calls then as well", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    expect(await stream.isQuiet()).toBe(true);
    server.closing.abort();
    expect(await stream.next()).toBeUndefined();
    expect(await server.watch().next()).toBeUndefined();
    expect(server.feed.watchers).toBe(0);
  });

  test("comes when the caller is gone", async () => {
    const server = open();
    const gone = new AbortController();
    const stream = server.watch({ signal: gone.signal });
    await stream.next();
    expect(await stream.isQuiet()).toBe(true);
    gone.abort();
    expect(await stream.next()).toBeUndefined();
    expect(server.feed.watchers).toBe(0);
  });

  test.each([
    ["given up", (stream: AsyncGenerator) => stream.return(undefined)],
    ["cut off by a fault", (stream: AsyncGenerator) => stream.throw(new Error("reset")).catch(() => {})],
  ])("%s between two updates, it leaves nobody behind", async (_, end) => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    expect(server.feed.watchers).toBe(1);
    await end(stream.updates);
    expect(server.feed.watchers).toBe(0);
  });
});
