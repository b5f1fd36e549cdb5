import { expect, test } from "vitest";
import { accessTable, requireRules } from "./access-table.ts";

test("operations with a row are accepted", () => {
  expect(() => requireRules([...accessTable.keys()])).not.toThrow();
});

test("operations without a row are refused, and the error names all of them", () => {
  expect(() => requireRules(["jwks", "a.b.Service/New", "new-endpoint"])).toThrow(
    "no access rule for a.b.Service/New, new-endpoint",
  );
});
