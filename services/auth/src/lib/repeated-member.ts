/** An array or object that is open at the current position. */
interface Open {
  /** Names of the members so far; undefined for an array. */
  readonly names: Set<string> | undefined;
  /** Commas so far: in an array, the index of the current item. */
  commas: number;
}

// Matches whole strings, so that no character inside one counts as a delimiter. A string before a colon is a member's name.
const signs = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[[\]{},]/gs;

/**
 * Looks for an object in which a member occurs twice. `JSON.parse` accepts such a text and keeps the last value, while other
 * parsers keep the first (RFC 8259 section 4).
 *
 * @param json a text that `JSON.parse` accepts
 * @returns the position of the object, by the indexes of the arrays around it (`[1]`; empty if there are none), or
 * undefined if there is no such object. It never contains a member's name.
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
