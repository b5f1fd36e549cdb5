import { expect, test } from "vitest";
import { UsageError } from "../command.ts";
import { parseRoles } from "./user-roles.ts";

const roles = (...role: string[]) => parseRoles({ values: { role }, positionals: [] });

test("roles keep their order; none is fine", () => {
  expect(roles("ops:read", "admin")).toEqual(["ops:read", "admin"]);
  expect(parseRoles({ values: {}, positionals: [] })).toEqual([]);
});

test.each([
  [["Admin"]],
  [[""]],
  [["a b"]],
  [["a", "a"]],
  [["a".repeat(65)]],
  [Array.from("a".repeat(33), (a, i) => a + i)],
])("%j is wrong use", (given) => {
  expect(() => roles(...given)).toThrow(UsageError);
});
