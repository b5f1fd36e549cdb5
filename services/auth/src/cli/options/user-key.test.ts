import { expect, test } from "vitest";
import { formatId } from "../../lib/type-id.ts";
import { UsageError } from "../command.ts";
import { parseUserKey } from "./user-key.ts";

const uuid = "01890a5d-ac96-774b-bcce-b302099a8057";
const id = formatId("usr", uuid);

test.each([
  [{ values: { id }, positionals: [] }, { id: uuid }],
  [{ values: { email: "a@b" }, positionals: [] }, { email: "a@b" }],
  [{ values: { username: "ann" }, positionals: [] }, { username: "ann" }],
  [{ values: {}, positionals: [id] }, { id: uuid }],
  [{ values: {}, positionals: ["a@b"] }, { email: "a@b" }],
  [{ values: {}, positionals: ["ann"] }, { username: "ann" }],
])("%j names %j", (args, expected) => {
  expect(parseUserKey(args)).toEqual(expected);
});

test("white space around an ID is dropped, as around a name", () => {
  expect(parseUserKey({ values: { id: ` ${id}\n` }, positionals: [] })).toEqual({ id: uuid });
  expect(parseUserKey({ values: {}, positionals: [` ${id}\u00a0`] })).toEqual({ id: uuid });
});

test.each([
  [{ values: {}, positionals: [] }],
  [{ values: { email: "a@b", username: "ann" }, positionals: [] }],
  [{ values: { email: "a@b" }, positionals: ["a@b"] }],
  [{ values: { id: formatId("ses", uuid) }, positionals: [] }],
  [{ values: { id: "ann" }, positionals: [] }],
  [{ values: {}, positionals: ["usr_ann"] }],
])("%j is wrong use", (args) => {
  expect(() => parseUserKey(args)).toThrow(UsageError);
});
