import { describe, expect, test } from "vitest";
import { params } from "./argon2-params.ts";
import { workersFor } from "./argon2-workers.ts";

const MIB = 1024 * 1024;
/** What `process.constrainedMemory()` returns without a limit, with version 1 of cgroups and without cgroups. */
const unlimited = [2 ** 64, 0];

describe("O11: as many passwords are hashed at once as", () => {
  test.each([
    [1, 1],
    [2, 1],
    [4, 3],
    [64, 63],
  ])("as many as cores, less one: of %i, %i", (cores, count) => {
    for (const memoryBytes of unlimited) {
      expect(workersFor({ cores, memoryBytes })).toEqual({ count, shortOfBytes: undefined });
    }
  });

  test.each([
    [512, 5],
    [1_024, 15],
    [4_096, 63],
  ])("as many as fit into the memory: in %i MiB, %i", (mib, count) => {
    expect(workersFor({ cores: 64, memoryBytes: mib * MIB })).toEqual({ count, shortOfBytes: undefined });
  });

  test("fit into any limit, together with the server itself", () => {
    for (let mib = 320; mib <= 8_192; mib += 1) {
      const { count, shortOfBytes } = workersFor({ cores: 1_000, memoryBytes: mib * MIB });
      expect(shortOfBytes).toBeUndefined();
      expect(count * params.memoryCost * 1024 + 256 * MIB).toBeLessThan(mib * MIB);
    }
  });

  test.each([1, 128, 300])("is one if none fits into %i MiB, and reports the missing memory", (mib) => {
    const { count, shortOfBytes = 0 } = workersFor({ cores: 8, memoryBytes: mib * MIB });
    expect(count).toBe(1);
    expect(shortOfBytes).toBeGreaterThan(mib * MIB);
    expect(workersFor({ cores: 8, memoryBytes: shortOfBytes })).toEqual({
      count: 1,
      shortOfBytes: undefined,
    });
  });
});
