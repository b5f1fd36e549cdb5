// Linear in the length of the text, unlike `\s+$`.
const betweenBlanks = /^\p{White_Space}*(.*\P{White_Space})?/su;

/**
 * The text without the blanks around it, as people type or paste them: everything that Unicode calls white space.
 * Characters that do not show, such as U+200B or U+FEFF, are no white space and stay.
 */
export function dropBlanks(text: string): string {
  return betweenBlanks.exec(text)?.[1] ?? "";
}
