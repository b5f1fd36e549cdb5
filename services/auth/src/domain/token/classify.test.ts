import { expect, test } from "vitest";
import { classify } from "./classify.ts";

test.each([
  ["ptn_rt_0000", "refresh"],
  ["ptn_st_0000", "secret"],
  ["ptn_dv_0000", "device"],
  ["ptn_at_0000", "reserved"],
  ["ptn_ac_", "reserved"],
  ["eyJhbGciOiJFUzI1NiJ9.e30.AA", "access"],
] as const)("%j is of the kind %s", (token, kind) => {
  expect(classify(token)).toBe(kind);
});

test.each(["", "ptn_", "ptn_rt", "ptn_xx_0000", "PTN_rt_0000", " ptn_rt_0000", "ptn_toString_0"])(
  "%j has no prefix of an opaque kind, so it is an access token",
  (token) => expect(classify(token)).toBe("access"),
);
