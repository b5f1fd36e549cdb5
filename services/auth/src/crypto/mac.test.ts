import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { createMac } from "./mac.ts";

const [old, fresh, strange] = [randomBytes(32), randomBytes(32), randomBytes(32)];

test("what was signed verifies, and nothing else does", () => {
  const mac = createMac([old], "test");
  const signed = mac.sign("text");
  expect(mac.verify("text", signed)).toBe(true);
  expect(mac.verify("texts", signed)).toBe(false);
  for (const forged of ["", "A", `${signed}A`, signed.slice(1), createMac([strange], "test").sign("text")]) {
    expect(mac.verify("text", forged)).toBe(false);
  }
});

test("each purpose has its own key", () => {
  expect(createMac([old], "other").verify("text", createMac([old], "test").sign("text"))).toBe(false);
});

test("while the master key changes, either side takes the other's", () => {
  const before = createMac([old, fresh], "test");
  const after = createMac([fresh, old], "test");
  expect(after.verify("text", before.sign("text"))).toBe(true);
  expect(before.verify("text", after.sign("text"))).toBe(true);
});

test("no master key is no key", () => {
  expect(() => createMac([], "test")).toThrow(RangeError);
});
