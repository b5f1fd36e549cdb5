/** An array or an object that is open at this place of the text. */
interface Open {
  /** Names of the members so far; undefined: an array. */
  readonly names: Set<string> | undefined;
  /** Commas so far: in an array, the index of the present item. */
  commas: number;
}

// Strings whole, so that nothing within one is taken for a sign; a colon right behind one makes it a member's name.
const signs = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[[\]{},]/gs;

/**
 * Looks for an object in which a member occurs twice. `JSON.parse` takes such a text and keeps the last one, while
 * another reader keeps the first (RFC 8259 section 4).
 *
 * @param json a text that `JSON.parse` takes
 * @returns the position of the object, by the indexes of the arrays around it (`[1]`; empty where there are none), or
 * undefined where there is no such object. It never holds a member's name.
 */
export function findRepeatedMember(json: string): string | undefined {
  const open: Open[] = [];
  for (const [sign, colon] of json.matchAll(signs)) {
    const innermost = open.at(-1);
    if (sign === "{") open.push({ names: new Set(), commas: 0 });
    else if (sign === "[") open.push({ names: undefined, commas: 0 });
    else if (sign === "}" || sign === "]") open.pop();
    else if (innermost === undefined) continue;
    else if (sign === ",") innermost.commas += 1;
    else if (colon !== undefined && innermost.names !== undefined) {
      const name: string = JSON.parse(sign.slice(0, -colon.length));
      if (innermost.names.has(name)) return placeOf(open);
      innermost.names.add(name);
    }
  }
  return undefined;
}

function placeOf(open: readonly Open[]): string {
  return open.map(({ names, commas }) => (names === undefined ? `[${commas}]` : "")).join("");
}
