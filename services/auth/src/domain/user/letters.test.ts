import { expect, test } from "vitest";
import { fold, hasPlainLetters } from "./letters.ts";

test("E01 a key is that of one small letter and its capital", () => {
  const byKey = new Map<string, string[]>();
  for (let code = 0; code <= 0x10ffff; code++) {
    const letter = String.fromCodePoint(code);
    if (!/\p{L}/u.test(letter) || !hasPlainLetters(letter)) continue;
    const key = fold(letter);
    byKey.set(key, [...(byKey.get(key) ?? []), letter]);
  }
  const capitals = (letters: string[]) => letters.filter((letter) => /\p{Lu}/u.test(letter)).length;
  const crowded = [...byKey.values()].filter((all) => capitals(all) > 1 || all.length - capitals(all) > 1);
  // Sigma has another form at the end of a word.
  expect(crowded).toEqual([["Σ", "ς", "σ"]]);
  expect([...byKey.keys()].filter((key) => fold(key) !== key)).toEqual([]);
  expect(byKey.size).toBeGreaterThan(50_000);
});
