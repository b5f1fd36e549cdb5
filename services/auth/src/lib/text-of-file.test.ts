import { expect, test } from "vitest";
import { TextFileError, textOfFile } from "./text-of-file.ts";

const utf16 = (text: string) => Buffer.from(text, "utf16le");

test("the text of a UTF-8 file is unchanged", () => {
  for (const text of ["", "a", " a\r\n", "ü\u{1f600}", "a\ufeff", "\ufffd"]) {
    expect(textOfFile(Buffer.from(text))).toBe(text);
  }
});

test("one byte order mark at the start is dropped", () => {
  expect(textOfFile(Buffer.from("\ufeffpassword\n"))).toBe("password\n");
  expect(textOfFile(Buffer.from("\ufeff"))).toBe("");
  expect(textOfFile(Buffer.from("\ufeff\ufeffa"))).toBe("\ufeffa");
});

test.each([
  ["UTF-16 with its mark", Buffer.concat([Buffer.of(0xff, 0xfe), utf16("password")]), "UTF-16"],
  [
    "UTF-16 of the other byte order",
    Buffer.concat([Buffer.of(0xfe, 0xff), utf16("password").swap16()]),
    "UTF-16",
  ],
  ["UTF-16 without a mark", utf16("password"), "UTF-16"],
  ["UTF-32 with its mark", Buffer.of(0xff, 0xfe, 0, 0, 0x61, 0, 0, 0), "UTF-16"],
  ["a NUL character", Buffer.from("a\0"), "NUL"],
  ["Latin-1", Buffer.from("pässwort", "latin1"), "not UTF-8"],
  ["a character that is cut off", Buffer.from("ü").subarray(0, 1), "not UTF-8"],
  ["half of a surrogate pair", Buffer.of(0xed, 0xa0, 0x80), "not UTF-8"],
])("%s is refused", (_, bytes, reason) => {
  expect(() => textOfFile(bytes)).toThrow(TextFileError);
  expect(() => textOfFile(bytes)).toThrow(reason);
  expect(() => textOfFile(bytes)).not.toThrow("passw");
});
