// Takes linear time, unlike `\s+$`.
const betweenBlanks = /^\p{White_Space}*(.*\P{White_Space})?/su;

/**
 * Drops the white space (as defined by Unicode) at both ends of a text that a person typed or pasted. Invisible characters
 * such as U+200B or U+FEFF are not white space and stay.
 */
export function dropBlanks(text: string): string {
  return betweenBlanks.exec(text)?.[1] ?? "";
}
