import fc from "fast-check";
import { expect, test } from "vitest";
import { formatColumns, formatJson, formatText } from "./output.ts";

test("a list is a table under its members' names", () => {
  const rows = [
    { id: "usr_1", roles: ["admin", "ops"], disabled: false, lastLoginAt: null },
    { id: "usr_22", roles: [], disabled: true, lastLoginAt: new Date(0) },
  ];
  expect(formatText(rows)).toBe(
    [
      "id      roles      disabled  lastLoginAt",
      "usr_1   admin,ops  false     -",
      "usr_22  -          true      1970-01-01T00:00:00.000Z",
      "",
    ].join("\n"),
  );
  expect(formatText([])).toBe("");
});

test("an object is one member a line", () => {
  expect(formatText({ id: "usr_1", email: "a@b" })).toBe("id     usr_1\nemail  a@b\n");
});

test("columns without a cell end early", () => {
  expect(formatColumns([["a", "b"], ["long"]])).toBe("a     b\nlong\n");
});

test("lists of objects are printed below their object, as tables", () => {
  const answer = { id: "x", events: [{ at: 1, by: "a" }, { at: 22 }], roles: ["r"], none: [], after: 2 };
  expect(formatText(answer)).toBe(
    ["id     x", "roles  r", "none   -", "after  2", "", "events:", "at  by", "1   a", "22  -", ""].join(
      "\n",
    ),
  );
});

test("JSON is one line", () => {
  expect(formatJson({ a: [1, "ü"], b: null })).toBe('{"a":[1,"ü"],"b":null}\n');
});

test("any value survives the conversion to JSON", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(formatJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("K02: no control or direction character reaches the terminal", () => {
  const hostile = "a\u001b[2J\r\nb\u009b31m\u202ec\u2028\u{e0041}";
  for (const text of [
    formatText({ agent: hostile }),
    formatText([{ agent: hostile }]),
    formatJson({ hostile }),
  ]) {
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\u2028]/u);
  }
  expect(formatText({ agent: hostile }).split("\n")).toHaveLength(2);
});
