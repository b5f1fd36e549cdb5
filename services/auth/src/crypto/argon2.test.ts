import { verifySync } from "@node-rs/argon2";
import { afterAll, describe, expect, test, vi } from "vitest";
import { createPasswordHasher } from "./argon2.ts";

const never = new AbortController().signal;
const phc = (parameters: string) => `$argon2id$v=19$${parameters}$${"A".repeat(22)}$${"A".repeat(43)}`;

const hasher = createPasswordHasher({ workers: 1, queue: 2 });
afterAll(() => hasher[Symbol.asyncDispose]());

describe("hash", () => {
  test("makes Argon2id at the floor, salted, that verifies", async () => {
    const hash = await hasher.hash("correct horse", never);
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(await hasher.hash("correct horse", never)).not.toBe(hash);
    expect(verifySync(hash, "correct horse")).toBe(true);
    expect(await hasher.verify("correct horse", hash, never)).toBe(true);
    expect(await hasher.verify("correct horsf", hash, never)).toBe(false);
  });

  test("distinguishes passwords that differ after 1,000 bytes or after a NUL", async () => {
    const hash = await hasher.hash(`${"a".repeat(1_000)}b`, never);
    expect(await hasher.verify(`${"a".repeat(1_000)}c`, hash, never)).toBe(false);
    const withNul = await hasher.hash("before\0after", never);
    expect(await hasher.verify("before\0other", withNul, never)).toBe(false);
  });
});

describe("verify", () => {
  test("answers false without a hash, for the empty password as well", async () => {
    expect(await hasher.verify("anything", undefined, never)).toBe(false);
    expect(await hasher.verify("", undefined, never)).toBe(false);
  });

  test("takes a hash with other parameters under the ceiling", async () => {
    const hash = "$argon2id$v=19$m=32,t=1,p=2$MTIzNDU2Nzg5MDEyMzQ1Ng$";
    await expect(hasher.verify("x", hash, never)).rejects.toThrow("PHC");
    expect(await hasher.verify("x", phc("m=32,t=1,p=2"), never)).toBe(false);
    expect(await hasher.verify("x", phc("m=65536,t=3,p=4"), never)).toBe(false);
  });

  test.each([
    phc("m=262145,t=2,p=1"),
    phc("m=4194304,t=1000,p=1"),
    phc("m=19456,t=11,p=1"),
    phc("m=19456,t=2,p=5"),
    phc("m=19456,t=2,p=1,m=64"),
    phc("m=019456,t=2,p=1"),
    phc("m=19456,t=2,p=1").replace("argon2id", "argon2d"),
    phc("m=19456,t=2,p=1").replace("argon2id", "argon2i"),
    phc("m=19456,t=2,p=1").replace("v=19", "v=16"),
    `${phc("m=19456,t=2,p=1")}\n`,
    "$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde",
    "",
  ])("D15 never runs a hostile or foreign hash: %j", async (hash) => {
    const verdict = hasher.verify("x", hash, never);
    await expect(verdict).rejects.toThrow(/^a stored password hash (is not|exceeds)/);
  });
});

describe("queue", () => {
  test("D14 a call whose deadline passes while it waits is not hashed", async () => {
    const running = hasher.hash("one", never);
    const deadline = new AbortController();
    const hung = hasher.hash("two", deadline.signal);
    const reason = new Error("deadline");
    deadline.abort(reason);
    await expect(hung).rejects.toBe(reason);
    await expect(hasher.hash("three", deadline.signal)).rejects.toBe(reason);
    // Its place is free again: both that may wait do.
    const next = [hasher.hash("four", never), hasher.hash("five", never)];
    await expect(Promise.all([running, ...next])).resolves.toHaveLength(3);
  });

  test("a call that is aborted while it runs is answered", async () => {
    const deadline = new AbortController();
    const running = hasher.hash("one", deadline.signal);
    deadline.abort();
    await expect(running).resolves.toContain("$argon2id$");
  });

  test("refuses what does not fit, and takes work again afterwards", async () => {
    const taken = Array.from({ length: 3 }, (_, n) => hasher.hash(`password ${n}`, never));
    await expect(hasher.hash("one too many", never)).rejects.toMatchObject({
      reason: "OVERLOADED",
      retryAfterMs: 1_000,
    });
    await expect(Promise.all(taken)).resolves.toHaveLength(3);
    await expect(hasher.hash("now it fits", never)).resolves.toContain("$argon2id$");
  });

  test("a slot is given back when the work fails", async () => {
    // Under the ceiling, and yet refused by the library: less than 8 KiB a lane.
    for (let n = 0; n < 4; n++) {
      await expect(hasher.verify("secret", phc("m=1,t=1,p=4"), never)).rejects.toThrow();
    }
    await expect(hasher.hash("still here", never)).resolves.toContain("$argon2id$");
  });
});

test("keeps the event loop free, and disposing waits for what was taken on", async () => {
  const loop = vi.fn();
  const timer = setInterval(loop, 1);
  const hashes: Promise<string>[] = [];
  {
    await using other = createPasswordHasher({ workers: 1, queue: 10 });
    for (let n = 0; n < 4; n++) hashes.push(other.hash("x", never));
  }
  clearInterval(timer);
  expect(await Promise.all(hashes)).toHaveLength(4);
  expect(loop).toHaveBeenCalled();
});
