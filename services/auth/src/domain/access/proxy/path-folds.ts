/**
 * Applies every combination of the folds to a decoded path, in the order of the folds: the first result has none, the last
 * has all. Undefined if a fold changes the structure of the path (more segments, dot segments, percent-encoding).
 */
export function foldPath(decoded: string): readonly string[] | undefined {
  const readings = folds.reduce<readonly string[]>(addFolded, [decoded]);
  const slashes = countSlashes(decoded);
  const isOdd = (reading: string) =>
    hasSyntax.test(reading) || hasSyntax.test(plusToBlank(reading)) || countSlashes(reading) > slashes;
  return [...new Set(readings)].some(isOdd) ? undefined : readings;
}

const folds = [makeCompatible, cutParameters, trimSegments, readPlus, foldCase];

/** Dot segments, also with white space around them; a backslash; percent-encoding. */
const hasSyntax = /\/\s*\.{1,2}\s*(?:\/|$)|\\|%[0-9a-f]{2}/iu;

/**
 * NFKC makes full-width and other compatible forms equal. Conversions to Windows code pages also read the fraction and
 * division slashes as `/`, and the set minus as a backslash. Some servers and stores drop invisible characters.
 */
function makeCompatible(path: string): string {
  // This comes before NFKC, which writes `½` with a fraction slash.
  const ascii = path.replace(/[\u2044\u2215]/g, "/").replace(/\u2216/g, "\\");
  return ascii.normalize("NFKC").replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, "");
}

/** Removes parameters, query and fragment whose delimiters came from decoding: from `%3F`, or from full-width forms. */
function cutParameters(path: string): string {
  return path.replace(/[?#].*$/su, "").replace(/;[^/]*/g, "");
}

/** Removes white space around segments and, as Windows does, trailing dots and NTFS streams. Then merges empty segments. */
function trimSegments(path: string): string {
  return path
    .split("/")
    .map(trimSegment)
    .join("/")
    .replace(/\/{2,}/g, "/");
}

/** A loop finds the end, because a regular expression for trailing white space takes quadratic time. */
function trimSegment(segment: string): string {
  const text = (segment.split("::$", 1)[0] ?? "").trimStart();
  let end = text.length;
  while (end > 0 && /[\s.]/.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/** Form decoders read `+` as a space, which may then be trimmed. */
function readPlus(path: string): string {
  return path.includes("+") ? trimSegments(plusToBlank(path)) : path;
}

function plusToBlank(path: string): string {
  return path.replaceAll("+", " ");
}

/**
 * Returns the same text for texts that differ only by case. One conversion is not enough for `ſ`, `ẞ` and the Kelvin sign.
 * The final sigma is folded as well, so that the fold of a prefix is a prefix of the fold.
 */
function foldCase(path: string): string {
  return path.toLowerCase().toUpperCase().toLowerCase().replaceAll("ς", "σ");
}

/** The readings, followed by each of them folded. Many readings are equal: each distinct one is folded once. */
function addFolded(readings: readonly string[], fold: (reading: string) => string): readonly string[] {
  const folded = new Map<string, string>();
  for (const reading of readings) if (!folded.has(reading)) folded.set(reading, fold(reading));
  return [...readings, ...readings.map((reading) => folded.get(reading) ?? reading)];
}

function countSlashes(path: string): number {
  return path.split("/").length;
}
