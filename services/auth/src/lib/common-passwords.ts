import { createRequire } from "node:module";

/** Length of the longest password in the list, in characters. */
const longestListed = 20;

let known: ReadonlySet<string> | undefined;

/**
 * Whether attackers try the password early: it is in a list of about 49,000 leaked passwords (in any case), or it repeats one
 * of these or up to three characters, or it is one of those followed by digits and signs that make up at most half of it.
 */
export function isCommonPassword(password: string): boolean {
  const folded = password.toLowerCase();
  for (let end = folded.length; end > 0 && end * 2 >= folded.length; end--) {
    if (isListed(folded.slice(0, end))) return true;
    if (/\p{L}/u.test(folded.charAt(end - 1))) return false;
  }
  return false;
}

function isListed(text: string): boolean {
  known ??= load();
  if (known.has(text)) return true;
  for (let length = 1; length <= Math.min(longestListed, text.length / 2); length++) {
    const unit = text.slice(0, length);
    if ((length <= 3 || known.has(unit)) && text === unit.repeat(Math.floor(text.length / length)))
      return true;
  }
  return false;
}

/** Decompressing the list takes 20 ms, which only a process that sets passwords should pay. */
function load(): ReadonlySet<string> {
  const require = createRequire(import.meta.url);
  const { dictionary }: typeof import("@zxcvbn-ts/language-common") = require("@zxcvbn-ts/language-common");
  return new Set(dictionary["passwords-common"]);
}
