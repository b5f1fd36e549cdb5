import { expect, test } from "vitest";
import { SettingError } from "../error.ts";
import {
  parseChoice,
  parseIdentifier,
  parseInteger,
  parsePassword,
  parseText,
  parseUserEmail,
} from "./text.ts";

const integer = parseInteger(1, 100);
const choice = parseChoice("on", "off");

test("a valid text is returned unchanged", () => {
  expect(integer("1")).toBe(1);
  expect(integer("100")).toBe(100);
  expect(choice("off")).toBe("off");
  expect(parseText("./a folder")).toBe("./a folder");
  expect(parseIdentifier("https://api.example.com")).toBe("https://api.example.com");
  expect(parseUserEmail("admin@example.com")).toBe("admin@example.com");
  expect(parsePassword("ü".repeat(512))).toBe("ü".repeat(512));
});

test.each([
  ...["", "0", "101", "1.0", "01", "1e1", " 1", "-1", "NaN", "0x1"].map((text) => [integer, text] as const),
  ...["", "ON", "on ", "true"].map((text) => [choice, text] as const),
  ...["", "a\0b", "a\n"].map((text) => [parseText, text] as const),
  ...["", "*", "a b", "a\u202e", "a".repeat(256)].map((text) => [parseIdentifier, text] as const),
  ...[
    "",
    "admin",
    "@",
    "a@",
    "a b@c.example",
    "a@b@c.example",
    "a@b",
    "a@1.2.3.4",
    `${"a".repeat(320)}@b`,
  ].map((text) => [parseUserEmail, text] as const),
  ...["", "ü".repeat(513)].map((text) => [parsePassword, text] as const),
])("O14: %o refuses %j", (parse, text) => {
  expect(() => parse(text)).toThrow(SettingError);
});
