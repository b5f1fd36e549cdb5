import fc from "fast-check";
import { expect, test } from "vitest";
import { findRepeatedMember } from "./repeated-member.ts";

test.each([
  ['{"a":1,"a":2}', ""],
  ['[{"a":1},{"b":1,"b":1}]', "[1]"],
  ['[0,[{"a":[]},{"a":{},"b":2,"a":3}]]', "[1][1]"],
  ['[{"a":{"b":1,"b":2}}]', "[0]"],
  ['[{"a":{"b":1},"b":2,"a":3}]', "[0]"],
  ['{"a":1,"\\u0061":2}', ""],
  ['{"" : 1,\n"":2}', ""],
  ['{"__proto__":1,"__proto__":2}', ""],
  ['{"a":"{\\"b\\":1","a":2}', ""],
])("a member that occurs twice is found: %s", (text, at) => {
  expect(findRepeatedMember(text)).toBe(at);
});

test.each([
  "1",
  '"a"',
  "[]",
  "{}",
  '[{"a":1},{"a":1}]',
  '{"a":{"a":{"a":1}}}',
  '{"a":"a","b":"a"}',
  '{"a":["a","a"]}',
  '{"a":"\\"a\\":1,\\"a\\":"}',
  '{"a":1,"A":2}',
  '{"a\\\\":1,"a":2}',
])("a text without a repeated member passes: %s", (text) => {
  expect(findRepeatedMember(text)).toBeUndefined();
});

test("output of JSON.stringify has no repeated member until one is added", () => {
  fc.assert(
    fc.property(fc.json(), fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (json, object) => {
      expect(findRepeatedMember(json)).toBeUndefined();
      const [[name = "", value] = []] = Object.entries(object);
      const twice = `${JSON.stringify(object).slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(value)}}`;
      expect(findRepeatedMember(`[${json},${twice}]`)).toBe("[1]");
    }),
  );
});

test("L11 a deep or long text uses no stack and takes linear time", () => {
  const deep = 100_000;
  expect(findRepeatedMember("[".repeat(deep) + "]".repeat(deep))).toBeUndefined();
  expect(findRepeatedMember(JSON.stringify("\\".repeat(deep)))).toBeUndefined();
});
