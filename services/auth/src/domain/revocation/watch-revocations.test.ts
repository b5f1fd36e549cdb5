import { describe, expect, test, vi } from "vitest";
import { AuthError } from "../errors.ts";
import { type follow, headAt, jwk, open } from "./watch-revocations.fixture.ts";

const minute = 60_000;

describe("the begin of a stream", () => {
  test("starts with the oldest living entry, all keys and a checkpoint", async () => {
    const server = open();
    server.revoke(3);
    const stream = server.watch();
    expect(await stream.next()).toEqual({
      entries: [1, 2, 3],
      kids: ["k0"],
      seq: 3,
      head: headAt(3),
      checkpoint: { asOf: new Date(1_000_000), seq: 3 },
    });
    expect(await stream.isQuiet()).toBe(true);
  });

  test("sends keys and a checkpoint of an empty log", async () => {
    const stream = open().watch();
    expect(await stream.next()).toMatchObject({ entries: [], kids: ["k0"], checkpoint: { seq: 0 }, seq: 0 });
  });

  test("continues after the entry that the caller knows", async () => {
    const server = open();
    server.revoke(3);
    expect(await server.watch({ after: headAt(2) }).next()).toMatchObject({ entries: [3], kids: ["k0"] });
    expect(await server.watch({ after: headAt(3) }).next()).toMatchObject({ entries: [], kids: ["k0"] });
    expect(await server.watch({ after: headAt(0) }).next()).toMatchObject({ entries: [1, 2, 3] });
  });

  test("continues after an entry that this replica has not read yet", async () => {
    const server = open();
    server.revoke(2);
    server.read();
    // The caller has received the third entry from another replica.
    server.revoke(2);
    expect(await server.watch({ after: headAt(3) }).next()).toMatchObject({ entries: [4] });
  });

  test.each([
    ["above the head", headAt(4)],
    ["with the id of another history", headAt(2, 7)],
  ])("rejects a cursor %s", async (_, after) => {
    const server = open();
    server.revoke(3);
    await expect(server.watch({ after }).next()).rejects.toMatchObject({ reason: "CURSOR_TOO_OLD" });
    expect(server.broadcaster.watchers).toBe(0);
  });

  test("rejects a cursor of a forgotten entry, and of an entry that the database has lost", async () => {
    const server = open();
    server.revoke(2_000, 100);
    server.load();
    server.broadcaster.forget(101);
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

  test("sends nothing before a head read that began after the call", async () => {
    const server = open();
    server.revoke();
    const answered = Promise.withResolvers<void>();
    server.readNow = () => answered.promise.then(server.read);
    const stream = server.watch();
    expect(await stream.isQuiet()).toBe(true);
    // A read that was already in flight is answered first.
    server.read();
    server.clock.ms = 700;
    expect(await stream.isQuiet()).toBe(true);
    answered.resolve();
    expect((await stream.next())?.checkpoint).toEqual({ asOf: new Date(1_000_700), seq: 1 });
  });

  test("fails with UNAVAILABLE if the first head read fails", async () => {
    const server = open();
    server.replica.isLost = true;
    await expect(server.watch().next()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect(server.broadcaster.watchers).toBe(0);
  });
});

describe("new entries", () => {
  test("are sent when they have been read, without waiting for a checkpoint", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    server.revoke(2);
    expect(await stream.isQuiet()).toBe(true);
    server.read();
    expect(await stream.next()).toEqual({
      entries: [1, 2],
      kids: undefined,
      checkpoint: undefined,
      seq: 2,
      head: headAt(2),
    });
    server.read();
    expect(await stream.isQuiet()).toBe(true);
  });

  test("that arrive while the caller reads nothing are sent together, in their order", async () => {
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

  test("are split into messages of at most 64 KiB, of which the last has the checkpoint", async () => {
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
  test("are sent every two seconds, each with the time of its own read and the head at that time", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    const checkpoints: unknown[] = [];
    for (let second = 1; second <= 7; second += 1) {
      server.clock.ms = second * 1_000;
      server.revoke();
      server.read();
      checkpoints.push((await stream.next())?.checkpoint);
    }
    const at = (second: number) => ({ asOf: new Date(1_000_000 + second * 1_000), seq: second });
    expect(checkpoints).toEqual([undefined, at(2), undefined, at(4), undefined, at(6), undefined]);
  });

  test("are not sent while the head is not read, and continue with the next read", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    server.clock.ms = 10 * minute;
    expect(await stream.isQuiet()).toBe(true);
    server.revoke();
    server.read();
    expect(await stream.next()).toMatchObject({
      entries: [1],
      checkpoint: { asOf: new Date(1_000_000 + 10 * minute), seq: 1 },
    });
  });

  test("are from another read each, even if the caller reads late", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    server.revoke();
    server.read();
    expect(await stream.next()).toMatchObject({ entries: [1], checkpoint: undefined });
    server.clock.ms = 5_000;
    // The stream has sent no checkpoint of that read yet.
    expect(await stream.next()).toMatchObject({ checkpoint: { asOf: new Date(1_000_000), seq: 1 } });
    server.clock.ms = 20_000;
    expect(await stream.isQuiet()).toBe(true);
  });
});

describe("keys", () => {
  test("are all sent again when they change", async () => {
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

  test("that are older than a read keep its checkpoint from being sent", async () => {
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

  test("that are not loaded yet do not delay entries", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    server.log.keysVersion = "k1";
    server.revoke();
    server.read();
    expect(await stream.next()).toMatchObject({ entries: [1], kids: undefined });
  });
});

describe("a log that was loaded again", () => {
  test("continues without a lost or repeated entry if it links up", async () => {
    const server = open();
    server.revoke(3);
    const stream = server.watch();
    await stream.next();
    server.revoke(2);
    server.log.entries.splice(0, 2);
    server.load();
    expect((await stream.next())?.entries).toEqual([4, 5]);
  });

  test("of a restored database ends the streams that have sent lost entries with CURSOR_TOO_OLD", async () => {
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
    // Everything that this stream has sent is in both histories.
    expect(await behind.next()).toMatchObject({ entries: [4, 5, 6, 7], head: headAt(7, 1) });
    expect(server.broadcaster.watchers).toBe(1);
  });

  test("continues after the last entry sent, also between two messages", async () => {
    const server = open();
    server.replica.size = 1_000;
    server.revoke(200);
    const stream = server.watch();
    await stream.next();
    server.load();
    // The entry as its first byte shows it.
    expect((await stream.next())?.entries.slice(0, 1)).toEqual([66]);
  });
});

test("a caller so slow that its next entry is forgotten gets CURSOR_TOO_OLD", async () => {
  const server = open();
  server.replica.size = 1_000;
  server.revoke(2_000, 100);
  const stream = server.watch();
  await stream.next();
  server.broadcaster.forget(101);
  await expect(stream.next()).rejects.toMatchObject({ reason: "CURSOR_TOO_OLD" });
  expect(server.broadcaster.watchers).toBe(0);
});

describe("the caller's permission to watch", () => {
  /** Advances the clock second by second, each with a head read. */
  async function pass(server: ReturnType<typeof open>, stream: ReturnType<typeof follow>, seconds: number) {
    for (let second = 0; second < seconds; second += 1) {
      server.clock.ms += 1_000;
      server.read();
      if (!(await stream.isQuiet())) await stream.next();
    }
  }

  test("is checked again every 30 seconds", async () => {
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
    "ends the stream with %s if it is lost",
    async (reason) => {
      const server = open();
      const stream = server.watch({ authorize: () => Promise.reject(new AuthError(reason)) });
      await stream.next();
      server.clock.ms = 30_000;
      server.revoke();
      server.read();
      await expect(stream.next()).rejects.toMatchObject({ reason });
      expect(server.broadcaster.watchers).toBe(0);
    },
  );

  test("is assumed to hold if it cannot be checked", async () => {
    const server = open();
    const authorize = vi.fn(() => Promise.reject(new AuthError("UNAVAILABLE")));
    const stream = server.watch({ authorize });
    await stream.next();
    await pass(server, stream, 61);
    expect(authorize).toHaveBeenCalledTimes(2);
    server.revoke();
    server.read();
    expect((await stream.next())?.entries).toEqual([1]);
  });

  test("is checked, and the stream ends in time, even if no checkpoint can be sent", async () => {
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

describe("a stream's end", () => {
  test.each([
    [0, 24],
    [0.5, 30],
    [1, 36],
  ])("with the random number %f comes after %i minutes, without an error", async (random, minutes) => {
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
    expect(server.broadcaster.watchers).toBe(0);
  });

  test("comes when the server closes, without an error, also for a later call", async () => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    expect(await stream.isQuiet()).toBe(true);
    server.closing.abort();
    expect(await stream.next()).toBeUndefined();
    expect(await server.watch().next()).toBeUndefined();
    expect(server.broadcaster.watchers).toBe(0);
  });

  test("comes when the caller hangs up", async () => {
    const server = open();
    const hungUp = new AbortController();
    const stream = server.watch({ signal: hungUp.signal });
    await stream.next();
    expect(await stream.isQuiet()).toBe(true);
    hungUp.abort();
    expect(await stream.next()).toBeUndefined();
    expect(server.broadcaster.watchers).toBe(0);
  });

  test.each([
    ["by the reader", (stream: AsyncGenerator) => stream.return(undefined)],
    ["by a fault", (stream: AsyncGenerator) => stream.throw(new Error("reset")).catch(() => {})],
  ])("%s between two updates leaves no watcher behind", async (_, end) => {
    const server = open();
    const stream = server.watch();
    await stream.next();
    expect(server.broadcaster.watchers).toBe(1);
    await end(stream.updates);
    expect(server.broadcaster.watchers).toBe(0);
  });
});
