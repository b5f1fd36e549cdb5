import { type PathReadings, readPath } from "./request-path.ts";

/** The path of a route, read. */
export interface RoutePath {
  /** Whether a reading of a request's path, by its index among the readings, is a path to it. */
  fits(reading: string, index: number): boolean;
  /** Whether every path of the other route also leads to this one in some reading. */
  covers(other: RoutePath): boolean;
  readonly isPrefix: boolean;
  /** Without the `*` at its end. */
  readonly readings: PathReadings;
}

/** Undefined where the path is not in its normal form, or `*` stands elsewhere than at its end. */
export function readRoutePath(path: string): RoutePath | undefined {
  const isPrefix = path.endsWith("*");
  const text = isPrefix ? path.slice(0, -1) : path;
  if (text.includes("*")) return undefined;
  // What begins a path need not be whole: `/.` does for `/.well-known`.
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

/** Which requests a route is met by. */
export interface RoutePlace {
  readonly host: string | undefined;
  readonly methods: ReadonlySet<string> | undefined;
  readonly path: RoutePath;
}

/**
 * The earlier places, by their index, that leave nothing to a later one; undefined where there is something left.
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
