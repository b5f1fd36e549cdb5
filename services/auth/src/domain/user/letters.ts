/**
 * Which letters a name may have, so that no name looks like another, and no two visibly different names are equal when
 * folded. A simpler and stricter form of what UTS 39 recommends for identifiers.
 */

/** Scripts whose composed text (NFC) has letters only, without separate marks. */
const alphabets = ["Armenian", "Cyrillic", "Georgian", "Greek"].map(
  (script) => new RegExp(`^[\\p{sc=${script}}&&[\\p{Ll}\\p{Lo}]]+$`, "v"),
);

/** ASCII letters, with the marks that Unicode composes, and letters that do not look like an ASCII letter. */
const latin = /^(?:[a-zßæøœðþłđħ]\p{M}*)+$/u;

/** Scripts with separate marks, and the usual combinations of Chinese, Japanese and Korean. */
const others = [
  "Han Hiragana Katakana",
  "Han Bopomofo",
  ..."Arabic Bengali Devanagari Ethiopic Gujarati Gurmukhi Hebrew Kannada Khmer Lao Malayalam".split(" "),
  ..."Myanmar Oriya Sinhala Tamil Telugu Thaana Thai Tibetan".split(" "),
].map((group) => {
  const members = group.split(" ").map((script) => `\\p{scx=${script}}`);
  return new RegExp(`^[[[${members.join("")}]&&[\\p{Lo}\\p{M}ー々ๆ]]--\\p{DI}]+$`, "v");
});

/** Complete syllables: the jamo that compose them have look-alikes and invisible fillers. */
const korean = /^[가-힣\p{Script=Han}]+$/u;

/** Letters of Cyrillic, Greek and Armenian that look like Latin letters, in the case in which they do. */
const latinLookalikes = new Set(
  "авсԁеһіјӏорԛѕухѵԝАВЕЅІЈКМНОРСТУХԌԚԜҺӀѴ" + "αγικνορυχϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧͿ" + "ցհոօզսԼՕՍՏ",
);

/** Marks without a letter, and so many marks on one letter that they cover the text around it. */
const strayMarks = /(?:^|[^\p{L}\p{M}])\p{M}|\p{M}{5}/u;

/**
 * The form in which names are compared: composed and in lower case. For names that `hasPlainLetters` accepts, it is injective
 * except for case.
 */
export function fold(text: string): string {
  return text.normalize("NFC").toLowerCase().replaceAll("ς", "σ");
}

/**
 * Whether all letters of the text are plain ones of one script: no compatibility characters (the Kelvin
 * sign, long s, full width), no letter that shares its capital with another (dotless i), nothing invisible,
 * no mixture of scripts, and not Cyrillic, Greek or Armenian that reads as Latin. ASCII other than letters
 * is not checked.
 */
export function hasPlainLetters(text: string): boolean {
  if (!Array.from(text).every(isPlain) || strayMarks.test(text)) return false;

  const letters = text.normalize("NFC").replace(/[^A-Za-z\P{ASCII}]/gu, "");
  if (letters === "") return true;
  const folded = fold(letters);
  return isOfOneScript(folded) && Array.from(folded).every(hasOwnCapital) && !readsAsLatin(letters);
}

/** Unchanged by NFKC, or a letter with marks that Unicode always decomposes. */
function isPlain(character: string): boolean {
  const composed = character.normalize("NFC");
  if (character.normalize("NFKC") !== composed) return false;
  return composed === character || Array.from(composed).length > 1;
}

function isOfOneScript(folded: string): boolean {
  // A mark that stays separate in composed text may be invisible: the lower case of the dotted capital I is an `i` with a
  // second dot.
  if (!/\p{M}/u.test(folded) && latin.test(folded.normalize("NFD"))) return true;
  return [...alphabets, ...others, korean].some((script) => script.test(folded));
}

function hasOwnCapital(letter: string): boolean {
  return letter === "ß" || letter.toUpperCase().toLowerCase().normalize("NFC") === letter;
}

function readsAsLatin(letters: string): boolean {
  const bare = letters.normalize("NFD").replace(/\p{M}/gu, "");
  return Array.from(bare).every((letter) => latinLookalikes.has(letter));
}
