import { type PathReadings, readPath } from "./request-path.ts";

/** The parsed path of a route. */
export interface RoutePath {
  /** Whether a reading of a request's path matches it. `index`: the index of the reading. */
  fits(reading: string, index: number): boolean;
  /** Whether every path of the other route also matches this one in some reading. */
  covers(other: RoutePath): boolean;
  readonly isPrefix: boolean;
  /** Without the `*` at its end. */
  readonly readings: PathReadings;
}

/** Undefined if the path is not in its normal form, or has a `*` that is not at its end. */
export function readRoutePath(path: string): RoutePath | undefined {
  const isPrefix = path.endsWith("*");
  const text = isPrefix ? path.slice(0, -1) : path;
  if (text.includes("*")) return undefined;
  // A prefix need not be a complete path: `/.` is one for `/.well-known`.
  const whole = readPath(isPrefix ? `${text}x` : text);
  if (whole === undefined || /[?#]/.test(whole[1] ?? "")) return undefined;
  // The text before the `*` must not remove the text after it.
  if (isPrefix && !whole.every((reading) => reading.endsWith("x"))) return undefined;
  const readings = isPrefix ? whole.map((reading) => reading.slice(0, -1)) : whole;
  const folded = readings.at(-1) ?? "";
  return {
    isPrefix,
    readings,
    fits(reading, index) {
      const own = readings[index];
      return own !== undefined && (isPrefix ? reading.startsWith(own) : reading === own);
    },
    covers(other) {
      const inner = other.readings.at(-1) ?? "";
      return isPrefix ? inner.startsWith(folded) : !other.isPrefix && inner === folded;
    },
  };
}

/** Which requests a route matches. */
export interface RoutePlace {
  readonly host: string | undefined;
  readonly methods: ReadonlySet<string> | undefined;
  readonly path: RoutePath;
}

/**
 * The indexes of earlier routes that together match everything that a later one matches; undefined if they do not.
 */
export function coveredBy(place: RoutePlace, earlier: readonly RoutePlace[]): readonly number[] | undefined {
  const over = earlier.flatMap(({ host, methods, path }, index) =>
    (host === undefined || host === place.host) && path.covers(place.path) ? [{ index, methods }] : [],
  );
  const whole = over.find(({ methods }) => methods === undefined);
  if (whole !== undefined) return [whole.index];
  if (place.methods === undefined) return undefined;
  const takers = [...place.methods].map((method) => over.find(({ methods }) => methods?.has(method))?.index);
  const all = [...new Set(takers)];
  return all.every((index) => index !== undefined) ? all : undefined;
}
