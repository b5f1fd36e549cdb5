import { foldPath } from "./path-folds.ts";

/**
 * The ways in which servers may read a path, always in the same order and number: as written; decoded; and decoded with
 * every combination of the folds of `path-folds.ts`. The last reading has all folds.
 */
export type PathReadings = readonly string[];

/** RFC 3986 section 3.3, without `;`: some servers read the text after it as a parameter, others as a part of the name. */
const pathForm = /^(?:\/(?:[\w.~!$&'()*+,=:@-]|%[0-9A-F]{2})*)+$/i;
/** Control characters, `%`, `.`, `/`, `;` and `\`. A server that decodes them sees another path. */
const encodedSyntax = /%(?:[01]|25|2[EF]|3B|5C|7F)/i;
/**
 * More combining marks on one letter than real text has (UAX 15 section 13). The time of normalization grows with the
 * square of their number.
 */
const manyMarks = /\p{M}{31}/u;
/** The listeners' limit for headers. A path in a proxy's call could be longer, and each reading costs time. */
const maxLength = 16 * 1024;
const emptyOrDots = /\/(?:\.{0,2}\/|\.{1,2}$)/;

/**
 * Reads a path without its query. Undefined if the path is not in its normal form, because servers read such paths in different ways.
 */
export function readPath(path: string): PathReadings | undefined {
  if (path.length > maxLength || !pathForm.test(path) || encodedSyntax.test(path) || emptyOrDots.test(path))
    return undefined;
  const decoded = decode(path);
  // Control characters beyond ASCII, encoded in UTF-8.
  if (decoded === undefined || /\p{Cc}/u.test(decoded) || manyMarks.test(decoded)) return undefined;
  const written = path.replace(/%../g, (encoded) => encoded.toUpperCase());
  const folded = foldPath(decoded);
  return folded === undefined ? undefined : [written, ...folded];
}

/** Undefined if the bytes are not UTF-8, such as overlong forms of `/` and `.`. */
function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
