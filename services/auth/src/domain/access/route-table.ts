import { readHost } from "./request-host.ts";
import { readPath } from "./request-path.ts";
import { type RoutePath, readRoutePath } from "./route-path.ts";

/** What a route asks for: a good token, one if any is shown, or nothing. */
export type RouteAuth = "required" | "optional" | "public";

/** One entry of the routes file. */
export interface Route {
  /** In lower case, without a port; undefined: any. */
  readonly host: string | undefined;
  /** In its normal form; with `*` at its end, whatever begins with what stands before it. */
  readonly path: string;
  /** In upper case; undefined: any. */
  readonly methods: ReadonlySet<string> | undefined;
  readonly auth: RouteAuth;
  /** All of these are demanded of a token. */
  readonly scopes: readonly string[];
  /** A token must be for one of these. */
  readonly audiences: readonly string[];
}

/** A request as the proxy passes it on. */
export interface RequestLine {
  readonly method: string;
  /** Empty where there is none. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
}

export interface RouteTable {
  /**
   * The first route that the request meets. Undefined where there is none, where the request is not in its normal form,
   * and where the upstream could read its path as one that meets a route with other demands.
   */
  match(request: RequestLine): Route | undefined;
}

/** Case counts in a method (RFC 9110 section 9.1), and not every server knows: one in lower case meets no route. */
const methodForm = /^[A-Z][A-Z0-9-]{0,31}$/;

/** @throws {Error} where the path of a route is not in its normal form */
export function createRouteTable(routes: readonly Route[]): RouteTable {
  const entries = routes.map((route) => ({
    ...{ route, demands: demandsOf(route), path: normalPath(route.path) },
  }));
  const namesHosts = routes.some((route) => route.host !== undefined);
  return {
    match({ method, host: givenHost, target }) {
      const readings = readPath(target.split("?", 1)[0] ?? "");
      const host = givenHost === "" && !namesHosts ? "" : readHost(givenHost);
      if (readings === undefined || host === undefined || !methodForm.test(method)) return undefined;
      const open = entries.filter(
        ({ route }) =>
          (route.host === undefined || route.host === host) &&
          (route.methods === undefined || route.methods.has(method)),
      );
      const [first, ...others] = readings.map((reading, index) =>
        open.find(({ path }) => path.fits(reading, index)),
      );
      return others.every((other) => other?.demands === first?.demands) ? first?.route : undefined;
    },
  };
}

function normalPath(text: string): RoutePath {
  const path = readRoutePath(text);
  if (path === undefined) throw new Error("the path of a route is not in its normal form");
  return path;
}

/** Equal for routes that a request may be taken for without any difference. */
function demandsOf({ auth, scopes, audiences }: Route): string {
  return JSON.stringify([auth, scopes.toSorted(), audiences.toSorted()]);
}
