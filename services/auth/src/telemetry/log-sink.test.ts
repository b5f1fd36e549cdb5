import { expect, test } from "vitest";
import { createLogSink } from "./log-sink.ts";

const patience = { timeout: 20_000 };
const busy = Object.assign(new Error("no room now"), { code: "EAGAIN" });
const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });

/** Takes bytes as far as there is room for them. */
function openTarget(room: number, fault: Error = busy) {
  const target = { room, taken: "" };
  return {
    target,
    put(bytes: Uint8Array): number {
      if (target.room === 0) throw fault;
      const piece = Buffer.from(bytes.subarray(0, target.room));
      target.taken += piece.toString();
      target.room -= piece.length;
      return piece.length;
    },
  };
}

test("writes every line before it returns", () => {
  const { target, put } = openTarget(100);
  const sink = createLogSink({ put, limit: 100 });
  sink.write("one\n");
  sink.write("zwei: ü\n");
  expect(target.taken).toBe("one\nzwei: ü\n");
  expect(sink.dropped).toBe(0);
});

test("keeps lines that there is no room for, and writes them in order, also a line that was written in part", async () => {
  const { target, put } = openTarget(6);
  const sink = createLogSink({ put, limit: 100 });
  for (const line of ["one\n", "two\n", "three\n"]) sink.write(line);
  expect(target.taken).toBe("one\ntw");
  target.room = 100;
  await expect.poll(() => target.taken, patience).toBe("one\ntwo\nthree\n");
  sink.write("four\n");
  expect(target.taken).toBe("one\ntwo\nthree\nfour\n");
  expect(sink.dropped).toBe(0);
});

test("O10: drops and counts lines above its limit, and goes on when there is room again", async () => {
  const { target, put } = openTarget(0, full);
  const sink = createLogSink({ put, limit: 9 });
  for (const line of ["one\n", "two\n", "three\n", "\n", "four\n"]) sink.write(line);
  expect(sink.dropped).toBe(2);
  target.room = 100;
  await expect.poll(() => target.taken, patience).toBe("one\ntwo\n\n");
  sink.write("five\n");
  expect(target.taken).toBe("one\ntwo\n\nfive\n");
  expect(sink.dropped).toBe(2);
});

test("writes what is in memory at the end", () => {
  const { target, put } = openTarget(0);
  const sink = createLogSink({ put, limit: 100 });
  sink.write("last words\n");
  target.room = 100;
  sink.end(0);
  expect(target.taken).toBe("last words\n");
  expect(sink.dropped).toBe(0);
});

test("waits for a slow reader at the end", () => {
  const { target, put } = openTarget(0);
  let asked = 0;
  const slow = (bytes: Uint8Array) => {
    asked += 1;
    target.room = asked % 3 === 0 ? 4 : 0;
    return put(bytes);
  };
  const sink = createLogSink({ put: slow, limit: 100 });
  sink.write("last words\n");
  sink.end(60_000);
  expect(target.taken).toBe("last words\n");
});

test.each([
  ["a full disk, with any timeout", full, 60_000],
  ["a reader that never reads, after the timeout", busy, 20],
])("its end gives up on %s", (_, fault, timeoutMs) => {
  const { put } = openTarget(0, fault);
  const sink = createLogSink({ put, limit: 100 });
  sink.write("last words\n");
  sink.end(timeoutMs);
  expect(sink.dropped).toBe(1);
});
