import { describe, expect, test } from "vitest";
import { crc32Of } from "./crc32.ts";

describe("crc32Of", () => {
  test("gives the check value of the algorithm", () => {
    expect(Buffer.from(crc32Of("123456789")).toString("hex")).toBe("cbf43926");
  });

  test("has four bytes where the number is small", () => {
    expect(crc32Of("")).toEqual(new Uint8Array(4));
  });
});
