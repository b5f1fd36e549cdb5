/**
 * A decoded path with every selection of the folds, in their order: first with none, last with all. Undefined where a fold
 * makes another structure of it (more segments, dot segments, something percent-encoded).
 */
export function foldPath(decoded: string): readonly string[] | undefined {
  const readings = folds.reduce<readonly string[]>(addFolded, [decoded]);
  const slashes = countSlashes(decoded);
  const isOdd = (reading: string) =>
    hasSyntax.test(reading) || hasSyntax.test(plusToBlank(reading)) || countSlashes(reading) > slashes;
  return [...new Set(readings)].some(isOdd) ? undefined : readings;
}

const folds = [makeCompatible, cutParameters, trimSegments, readPlus, foldCase];

/** Dot segments, also with blanks around them; a backslash; something percent-encoded. */
const hasSyntax = /\/\s*\.{1,2}\s*(?:\/|$)|\\|%[0-9a-f]{2}/iu;

/**
 * NFKC makes full-width and other compatible forms equal. Conversions to code pages of Windows also read the fraction and
 * division slashes as `/`, and the set minus as a backslash. Some servers and stores drop invisible characters.
 */
function makeCompatible(path: string): string {
  // Before NFKC, which writes `½` with a fraction slash.
  const ascii = path.replace(/[\u2044\u2215]/g, "/").replace(/\u2216/g, "\\");
  return ascii.normalize("NFKC").replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, "");
}

/** Parameters, query and fragment, where a decoder made their signs: from `%3F`, or from full-width ones. */
function cutParameters(path: string): string {
  return path.replace(/[?#].*$/su, "").replace(/;[^/]*/g, "");
}

/** Blanks around a segment; of Windows, trailing dots and NTFS streams. Segments that are then empty are merged. */
function trimSegments(path: string): string {
  return path
    .split("/")
    .map(trimSegment)
    .join("/")
    .replace(/\/{2,}/g, "/");
}

/** Without a regular expression for the end: one that looks for trailing blanks takes quadratic time. */
function trimSegment(segment: string): string {
  const text = (segment.split("::$", 1)[0] ?? "").trimStart();
  let end = text.length;
  while (end > 0 && /[\s.]/.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/** Form decoders read `+` as a blank, which may then be trimmed. */
function readPlus(path: string): string {
  return path.includes("+") ? trimSegments(plusToBlank(path)) : path;
}

function plusToBlank(path: string): string {
  return path.replaceAll("+", " ");
}

/**
 * Equal for texts that differ by case alone: also by `ſ`, `ẞ` and the Kelvin sign, of which one fold alone knows nothing.
 * The final sigma is folded as well, so that the fold of a prefix is a prefix of the fold.
 */
function foldCase(path: string): string {
  return path.toLowerCase().toUpperCase().toLowerCase().replaceAll("ς", "σ");
}

/** The readings, and each of them folded. Most are equal: each is folded once. */
function addFolded(readings: readonly string[], fold: (reading: string) => string): readonly string[] {
  const folded = new Map<string, string>();
  for (const reading of readings) if (!folded.has(reading)) folded.set(reading, fold(reading));
  return [...readings, ...readings.map((reading) => folded.get(reading) ?? reading)];
}

function countSlashes(path: string): number {
  return path.split("/").length;
}
