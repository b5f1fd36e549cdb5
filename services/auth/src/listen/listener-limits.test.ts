import { expect, test } from "vitest";
import { listenerLimits, readProcessLimits } from "./listener-limits.ts";

const MIB = 1024 * 1024;
const plenty = { openFiles: 1_048_576, heapBytes: 4_096 * MIB, hashThreads: 1 };

test("connections and calls are bounded by the heap where files are plenty", () => {
  expect(listenerLimits({ ...plenty, heapBytes: 256 * MIB })).toEqual({
    connections: 2_048,
    opsConnections: 64,
    publicCalls: 1_024,
    isShortOfFiles: false,
  });
});

test("connections are bounded by the files that the process may open", () => {
  const { connections, opsConnections } = listenerLimits({ ...plenty, openFiles: 1_024 });
  expect({ connections, opsConnections }).toEqual({ connections: 388, opsConnections: 64 });
});

test("all listeners together leave files for stores, threads and refusals", () => {
  for (let openFiles = 256; openFiles < 5_000; openFiles += 1) {
    for (const hashThreads of [1, 15]) {
      const limits = listenerLimits({ ...plenty, openFiles, hashThreads });
      if (limits.isShortOfFiles) continue;
      const used = 2 * limits.connections + limits.opsConnections + 48 + 128 + 8 * hashThreads;
      expect(used).toBeLessThanOrEqual(openFiles);
    }
  }
});

test("a process with too few files still has some connections, and is reported", () => {
  expect(listenerLimits({ ...plenty, openFiles: 64 })).toMatchObject({
    connections: 8,
    opsConnections: 8,
    isShortOfFiles: true,
  });
});

test("the limits of this process are read", () => {
  const { openFiles, heapBytes } = readProcessLimits();
  expect(openFiles).toBeGreaterThan(64);
  expect(heapBytes).toBeGreaterThan(64 * MIB);
});
