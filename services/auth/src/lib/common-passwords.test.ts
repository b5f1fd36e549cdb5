import { expect, test } from "vitest";
import { isCommonPassword } from "./common-passwords.ts";

test.each([
  "123456789012",
  "PassWord1234",
  "password2024!",
  "administrator",
  "qwertyuiop[]",
  "letmeinletmein",
  "LetMeInletmeinLETMEIN",
  "aaaaaaaaaaaaaaaa",
  "            ",
  "abcabcabcabcabc",
  "dragondragon99!",
])("%j is common", (password) => expect(isCommonPassword(password)).toBe(true));

test.each([
  "correct horse battery staple",
  "nine purple zebras",
  "vT4#kq9!mZx2",
  "password sits behind nine zebras",
  "dragon8264017356",
  "日本語のパスワード文章",
  `${"1".repeat(1_000)}x${"1".repeat(23)}`,
  "",
])("%j is not", (password) => expect(isCommonPassword(password)).toBe(false));
