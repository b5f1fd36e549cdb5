import { canonicalHost, readHost } from "./request-host.ts";
import { type PathReadings, readPath } from "./request-path.ts";
import { type RoutePath, readRoutePath } from "./route-path.ts";

/** What a route requires: a valid token, a valid token if the request has one, or nothing. */
export type RouteAuth = "required" | "optional" | "public";

/** One entry of the routes file. */
export interface Route {
  /** In lower case, without a port; undefined: any. */
  readonly host: string | undefined;
  /** In its normal form. With `*` at its end, it matches every path with that prefix. */
  readonly path: string;
  /** In upper case; undefined: any. */
  readonly methods: ReadonlySet<string> | undefined;
  readonly auth: RouteAuth;
  /** Scopes that a token must have, all of them. */
  readonly scopes: readonly string[];
  /** Audiences, one of which a token must have. */
  readonly audiences: readonly string[];
}

/** A request as the proxy describes it. */
export interface RequestLine {
  readonly method: string;
  /** Empty if there is none. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
}

export interface RouteTable {
  /**
   * The first route that matches the request. Undefined if there is none, if the request is not in its normal form, and if
   * the upstream could read the path or host as one that a route with other requirements matches.
   */
  match(request: RequestLine): Route | undefined;
}

/** Methods are case-sensitive (RFC 9110 section 9.1), but some servers ignore that: a method in lower case matches no route. */
const methodForm = /^[A-Z][A-Z0-9-]{0,31}$/;

/** @throws {Error} if the path of a route is not in its normal form */
export function createRouteTable(routes: readonly Route[]): RouteTable {
  const entries = routes.map((route) => ({
    route,
    demands: demandsOf(route),
    path: normalPath(route.path),
  }));
  const namesHosts = routes.some((route) => route.host !== undefined);
  const kindOf = kindsOfReadings(entries.map(({ path }) => path.readings));
  return {
    match({ method, host, target }) {
      const paths = readPath(target.split("?", 1)[0] ?? "");
      const hosts = readHosts(host, namesHosts);
      if (paths === undefined || hosts === undefined || !methodForm.test(method)) return undefined;
      const distinct = distinctReadings(paths, kindOf);
      const [first, ...others] = hosts.flatMap((one) => {
        const open = entries.filter(
          ({ route }) =>
            (route.host === undefined || route.host === one) &&
            (route.methods === undefined || route.methods.has(method)),
        );
        return distinct.map(([reading, index]) => open.find(({ path }) => path.fits(reading, index)));
      });
      return others.every((other) => other?.demands === first?.demands) ? first?.route : undefined;
    },
  };
}

/** The host as written, then its canonical spelling if that differs. */
function readHosts(host: string, namesHosts: boolean): readonly string[] | undefined {
  if (host === "" && !namesHosts) return [""];
  const written = readHost(host);
  if (written === undefined || !namesHosts) return written === undefined ? undefined : [written];
  const canonical = canonicalHost(written);
  return canonical === undefined ? undefined : [...new Set([written, canonical])];
}

/** A number for each index of a reading. Two indexes have the same number if every route has equal readings at both. */
function kindsOfReadings(routes: readonly PathReadings[]): readonly number[] {
  const kinds = new Map<string, number>();
  return (routes[0] ?? []).map((_, index) => {
    const key = JSON.stringify(routes.map((readings) => readings[index]));
    const kind = kinds.get(key) ?? kinds.size;
    kinds.set(key, kind);
    return kind;
  });
}

/** The readings with their index, without those that match the same routes as an earlier one. The first one stays first. */
function distinctReadings(paths: PathReadings, kindOf: readonly number[]): [string, number][] {
  const seen = kindOf.map(() => new Set<string>());
  return paths.flatMap((reading, index): [string, number][] => {
    const ofKind = seen[kindOf[index] ?? 0];
    if (ofKind?.has(reading)) return [];
    ofKind?.add(reading);
    return [[reading, index]];
  });
}

function normalPath(text: string): RoutePath {
  const path = readRoutePath(text);
  if (path === undefined) throw new Error("the path of a route is not in its normal form");
  return path;
}

/** The requirements of a route as text: equal for routes with the same requirements. */
function demandsOf({ auth, scopes, audiences }: Route): string {
  return JSON.stringify([auth, scopes.toSorted(), audiences.toSorted()]);
}
