import { distance } from "fastest-levenshtein";

/**
 * The name that was probably meant: at most three single-character edits away, with less than half of the word changed.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let least = Math.min(4, Math.ceil(name.length / 2));
  for (const candidate of known) {
    const edits = distance(name, candidate);
    if (edits < least) {
      least = edits;
      nearest = candidate;
    }
  }
  return nearest;
}
