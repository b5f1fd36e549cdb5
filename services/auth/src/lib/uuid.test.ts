import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createNewId, uuidFromBytes, uuidToBytes } from "./uuid.ts";

const time = 0x017f22e279b0;

describe("createNewId", () => {
  test("lays out time, version and variant as RFC 9562 section 5.7 says", () => {
    const zeros = createNewId({ now: () => time, random: (n) => new Uint8Array(n) });
    const ones = createNewId({ now: () => time, random: (n) => new Uint8Array(n).fill(255) });

    expect(zeros()).toBe("017f22e2-79b0-7000-8000-000000000000");
    expect(ones()).toBe("017f22e2-79b0-77ff-bfff-ffffffffffff");
  });

  test("grows within a millisecond, past the end of its counter too", () => {
    const newId = createNewId({ now: () => time, random: randomBytes });
    const ids = Array.from({ length: 10_000 }, newId);

    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual(ids);
    expect(ids.at(-1)?.slice(0, 13)).not.toBe(ids[0]?.slice(0, 13));
  });

  test("grows while the clock is set back and after it has caught up", () => {
    const clock = [time, time - 60_000, time - 1, time, time + 1];
    let reads = 0;
    const newId = createNewId({ now: () => clock[reads++] ?? time, random: randomBytes });
    const ids = clock.map(newId);

    expect(ids.toSorted()).toEqual(ids);
    expect(ids[3]?.slice(0, 13)).toBe(ids[0]?.slice(0, 13));
    expect(ids[4]?.slice(0, 13)).toBe("017f22e2-79b1");
  });
});

describe("bytes of a UUID", () => {
  test("come back as they were", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect(uuidToBytes(uuidFromBytes(bytes))).toEqual(bytes);
      }),
    );
  });

  test.each([
    "",
    "017F22E2-79B0-7000-8000-000000000000",
    "017f22e279b070008000000000000000",
    "017f22e2-79b0-7000-8000-00000000000",
    "017f22e2-79b0-7000-8000-0000000000000",
    "017f22e2-79b0-7000-8000-00000000000g",
    "{017f22e2-79b0-7000-8000-000000000000}",
  ])("are not had from %j", (text) => {
    expect(() => uuidToBytes(text)).toThrow(TypeError);
  });
});
